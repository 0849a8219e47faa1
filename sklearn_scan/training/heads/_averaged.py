"""Heads on the features of several encoders, with averaged probabilities.

Source: Gadetsky, Jiang and Brbić, "Let Go of Your Labels with Unsupervised Transfer",
ICML 2024 (TURTLE), whose labels are the mean over encoders of a linear head's softmax.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sklearn_scan.training.heads._base import FeatureHeads, Heads


class AveragedHeads(Heads):
    """Heads for each encoder, whose probabilities are averaged.

    Parameters
    ----------
    heads : sequence of FeatureHeads
        The heads of each encoder, of the same number of heads and of clusters.
    dims : sequence of int
        The number of columns of each encoder, side by side in the features.

    Raises
    ------
    ValueError
        If there is not one width for each encoder, or if the numbers differ.

    Examples
    --------
    >>> import torch
    >>> from sklearn_scan.training.heads._linear import ClusterHeads
    >>> make = torch.Generator()
    >>> heads = [ClusterHeads(d, 3, n_heads=2, generator=make) for d in (8, 5)]
    >>> AveragedHeads(heads, (8, 5))(torch.zeros(7, 13)).shape
    torch.Size([2, 7, 3])
    """

    def __init__(self, heads: Sequence[FeatureHeads], dims: Sequence[int]) -> None:
        sizes = {(each.n_clusters, each.n_heads) for each in heads}
        if len(sizes) != 1 or len(heads) != len(dims):
            raise ValueError(
                "Each encoder must have as many heads of as many clusters, and dims; "
                f"got (n_clusters, n_heads) of {sizes}, {len(heads)} heads and "
                f"{len(dims)} dims."
            )
        super().__init__(*sizes.pop())
        self.heads = nn.ModuleList(heads)
        self.dims = list(dims)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (n_heads, b, n_clusters).

        It serves as logits: its softmax is the mean itself.
        """
        blocks = torch.split(features, self.dims, dim=1)
        # (h, c, b): with the batch last in memory, as in ClusterHeads
        logs = [
            heads(block).mT.log_softmax(dim=1)
            for heads, block in zip(self.heads, blocks, strict=True)
        ]
        return (torch.stack(logs).logsumexp(dim=0) - math.log(len(logs))).mT

    def select(self, *heads: int) -> AveragedHeads:
        """Return a module of some of the heads, with its own weights."""
        return AveragedHeads(
            [each.select(*heads) for each in self.of_encoders()], self.dims
        )

    def reorder(self, order: Tensor) -> None:
        """Renumber the clusters of a single head: old cluster order[c] becomes c."""
        for each in self.of_encoders():
            each.reorder(order)

    def of_encoders(self) -> list[FeatureHeads]:
        """Return the heads of each encoder."""
        return [cast(FeatureHeads, each) for each in self.heads]


def join_heads(heads: Sequence[FeatureHeads], dims: Sequence[int]) -> Heads:
    """Return the heads of several encoders as `AveragedHeads`; of one, as they are."""
    return heads[0] if len(heads) == 1 else AveragedHeads(heads, dims)


def split_heads(heads: Heads) -> list[FeatureHeads]:
    """Return the heads of each encoder: the inverse of `join_heads`."""
    if isinstance(heads, AveragedHeads):
        return heads.of_encoders()
    return [cast(FeatureHeads, heads)]
