"""What all cluster heads have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor, nn


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
    def fold_map(self, projection: Tensor) -> Self:
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
