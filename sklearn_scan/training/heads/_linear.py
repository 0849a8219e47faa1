"""Linear cluster heads, in one matrix product."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from sklearn_scan.training.heads._base import FeatureHeads, head_docs


@head_docs
class ClusterHeads(FeatureHeads):
    """Linear cluster heads, trained side by side as one matrix product.

    Parameters
    ----------
    {sizes}
    generator : torch.Generator
        Draws the initial weights, normal with variance 1 / embed_dim.

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
        # (h * c, b): with the batch last in memory, the softmax over few clusters runs
        # over whole vectors of samples, several times as fast
        logits = torch.addmm(self.bias.unsqueeze(1), self.weight, features.T)
        # (h * c, b) -> (h, c, b) -> (h, b, c)
        return torch.unflatten(logits, 0, (self.n_heads, self.n_clusters)).mT

    @classmethod
    def from_weights(cls, weight: Tensor, bias: Tensor) -> Self:
        """Return heads of the given weights (n_heads, n_clusters, d) and biases."""
        n_heads, n_clusters, embed_dim = weight.shape
        heads = cls(embed_dim, n_clusters, n_heads, generator=torch.Generator())
        heads.weight = nn.Parameter(weight.flatten(0, 1))
        heads.bias = nn.Parameter(bias.flatten())
        return heads

    @torch.no_grad()
    def fold_map(self, projection: Tensor) -> Self:
        """Return heads of features z, which give what these give for z @ projection."""
        wider = torch.unflatten(self.weight @ projection.T, 0, (self.n_heads, -1))
        return self.from_weights(wider, self.bias.view(self.n_heads, -1).clone())

    @torch.no_grad()
    def select(self, *heads: int) -> Self:
        """Return a module of some of the heads, with its own weights."""
        rows = list(heads)
        weight = torch.unflatten(self.weight, 0, (self.n_heads, -1))[rows]
        return self.from_weights(weight, self.bias.view(self.n_heads, -1)[rows])

    @torch.no_grad()
    def reorder(self, order: Tensor) -> None:
        """Renumber the clusters of a single head: old cluster order[c] becomes c."""
        self.weight.copy_(self.weight[order])
        self.bias.copy_(self.bias[order])
