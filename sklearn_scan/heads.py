"""Cluster heads: from features to cluster logits, all heads in one module."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """Shift and scale each feature by the training set's mean and deviation.

    Parameters
    ----------
    mean, std : Tensor of shape (embed_dim,)
        The statistics of the training features. Where a feature is constant its
        deviation should be one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def from_features(cls, features: Tensor) -> Standardize:
        """Measure `features` of shape (n, embed_dim)."""
        mean = features.mean(dim=0)
        std = features.std(dim=0, correction=0)
        # A constant feature has a deviation of rounding errors only.
        constant = std <= 1e-6 * mean.abs().clamp_min(1e-6)
        return cls(mean, std.masked_fill(constant, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Return the standardised features, of the same shape."""
        return (features - self.mean) / self.std


class ClusterHeads(nn.Module):
    """Linear cluster heads, trained side by side as one matrix product.

    Parameters
    ----------
    embed_dim : int
        The number of features.
    n_clusters : int
        The number of clusters.
    n_heads : int
        The number of heads, which differ by their first weights.
    generator : torch.Generator
        Draws the first weights, normal with variance 1 / embed_dim.

    Examples
    --------
    >>> import torch
    >>> heads = ClusterHeads(8, n_clusters=3, n_heads=2, generator=torch.Generator())
    >>> heads(torch.zeros(5, 8)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(
        self,
        embed_dim: int,
        n_clusters: int,
        n_heads: int,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.n_clusters = n_clusters
        weight = torch.randn(n_heads * n_clusters, embed_dim, generator=generator)
        self.weight = nn.Parameter(weight / embed_dim**0.5)
        self.bias = nn.Parameter(torch.zeros(n_heads * n_clusters))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of every head, shape (n_heads, b, n_clusters)."""
        # (h * c, b): with the batch last in memory, what follows (a softmax over few
        # clusters) runs over whole vectors of samples, several times as fast.
        logits = torch.addmm(self.bias.unsqueeze(1), self.weight, features.T)
        # (h * c, b) -> (h, c, b) -> (h, b, c)
        return logits.unflatten(0, (self.n_heads, self.n_clusters)).mT

    @torch.no_grad()
    def select(self, head: int) -> ClusterHeads:
        """Return head number `head` as a module of one head, with its own weights."""
        embed_dim = self.weight.shape[1]
        chosen = ClusterHeads(
            embed_dim, self.n_clusters, 1, generator=torch.Generator()
        )
        rows = slice(head * self.n_clusters, (head + 1) * self.n_clusters)
        chosen.weight.copy_(self.weight[rows])
        chosen.bias.copy_(self.bias[rows])
        return chosen.to(self.weight.device)

    @torch.no_grad()
    def reorder(self, order: Tensor) -> None:
        """Renumber the clusters of a single head: old cluster order[c] becomes c."""
        self.weight.copy_(self.weight[order])
        self.bias.copy_(self.bias[order])
