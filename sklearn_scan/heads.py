"""Cluster heads: from features to cluster logits, all heads in one module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.mapped_rows import Rows


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
    def from_features(cls, features: Rows) -> Standardize:
        """Measure `features` of shape (n, embed_dim)."""
        std = features.std(dim=0, correction=0)
        return cls(features.mean(dim=0), std.masked_fill(is_constant(features), 1.0))

    @property
    def space_dims(self) -> tuple[int, ...]:
        """The widths of the feature spaces that it returns: here, of one."""
        return (len(self.mean),)

    def forward(self, features: Tensor) -> Tensor:
        """Return the standardised features, of the same shape."""
        return (features - self.mean) / self.std


def is_constant(features: Rows) -> Tensor:
    """Tell which columns of `features` (n, d) hold one value, as bools (d,)."""
    # Of a constant feature, the deviation is made of rounding errors only.
    least = 1e-6 * features.mean(dim=0).abs().clamp_min(1e-6)
    return features.std(dim=0, correction=0) <= least


class Directions(Standardize):
    """Give all features the same length, seen from the training set's mean.

    What is left is the angle, by which neighbours are found, and a variance of about
    one; features that vary little tell little.

    Parameters
    ----------
    mean : Tensor of shape (embed_dim,)
        The mean of the training features.
    """

    def __init__(self, mean: Tensor) -> None:
        super().__init__(mean, torch.ones_like(mean))

    @classmethod
    def from_features(cls, features: Rows) -> Directions:
        """Measure `features` of shape (n, embed_dim)."""
        return cls(features.mean(dim=0))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of length sqrt(embed_dim), or of zero at the mean."""
        return F.normalize(features - self.mean, dim=1) * len(self.mean) ** 0.5


class Heads(nn.Module, ABC):
    """Cluster heads side by side: features (b, d) to logits (n_heads, b, n_clusters).

    Parameters
    ----------
    n_clusters, n_heads : int
        How many there are.
    """

    def __init__(self, n_clusters: int, n_heads: int) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.n_heads = n_heads

    @abstractmethod
    def select(self, *heads: int) -> Self:
        """Return a module of some of the heads, with its own weights."""

    @abstractmethod
    def reorder(self, order: Tensor) -> None:
        """Renumber the clusters of a single head: old cluster order[c] becomes c."""


class FeatureHeads(Heads, ABC):
    """Heads that see one feature space, of which a linear map may become a part."""

    @abstractmethod
    def behind(self, projection: Tensor) -> Self:
        """Return heads that see features z as these see z @ projection.

        Parameters
        ----------
        projection : Tensor of shape (n_features, embed_dim)
            A linear map before the heads, which their first weights take in.

        Returns
        -------
        Heads
            With weights of their own.
        """


class ClusterHeads(FeatureHeads):
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
        super().__init__(n_clusters, n_heads)
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

    @classmethod
    def from_weights(cls, weight: Tensor, bias: Tensor) -> Self:
        """Return heads of the weights (n_heads, n_clusters, d) and biases given."""
        n_heads, n_clusters, embed_dim = weight.shape
        heads = cls(embed_dim, n_clusters, n_heads, generator=torch.Generator())
        heads.weight = nn.Parameter(weight.flatten(0, 1))
        heads.bias = nn.Parameter(bias.flatten())
        return heads

    @torch.no_grad()
    def behind(self, projection: Tensor) -> Self:
        """Return heads that see features z as these see z @ projection."""
        wider = (self.weight @ projection.T).unflatten(0, (self.n_heads, -1))
        return self.from_weights(wider, self.bias.view(self.n_heads, -1).clone())

    @torch.no_grad()
    def select(self, *heads: int) -> Self:
        """Return a module of some of the heads, with its own weights."""
        rows = list(heads)
        weight = self.weight.unflatten(0, (self.n_heads, -1))[rows]
        return self.from_weights(weight, self.bias.view(self.n_heads, -1)[rows])

    @torch.no_grad()
    def reorder(self, order: Tensor) -> None:
        """Renumber the clusters of a single head: old cluster order[c] becomes c."""
        self.weight.copy_(self.weight[order])
        self.bias.copy_(self.bias[order])


class MergedClusters(nn.Module):
    """Make one cluster of several: the probability of either is their sum.

    Parameters
    ----------
    groups : Tensor of int64, shape (n_clusters,)
        The number that each cluster has afterwards, from 0 without gaps.

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[[0.2, 0.3, 0.5]]]).log()
    >>> MergedClusters(torch.tensor([0, 1, 0]))(logits).softmax(dim=2)
    tensor([[[0.7000, 0.3000]]])
    """

    groups: Tensor

    def __init__(self, groups: Tensor) -> None:
        super().__init__()
        self.register_buffer("groups", groups)
        # a number of its own: where a network is exported, values cannot be asked for
        self.n_groups = int(groups.max()) + 1

    def forward(self, logits: Tensor) -> Tensor:
        """Return the logits (n_heads, b, n_groups) of groups of clusters."""
        # (n_clusters, n_groups)
        membership = F.one_hot(self.groups, self.n_groups).to(logits.dtype)
        return (logits.softmax(dim=2) @ membership).log()
