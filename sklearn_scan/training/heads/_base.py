"""The base classes of cluster heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor, nn

from sklearn_scan.core.docs import share_docs

head_docs = share_docs(
    sizes="""
        embed_dim : int
            The number of features.
        n_clusters : int
            The number of clusters.
        n_heads : int
            The number of heads, which differ by their initial weights.
    """
)


class Heads(nn.Module, ABC):
    """Cluster heads side by side: features (b, d) to logits (n_heads, b, n_clusters).

    Parameters
    ----------
    n_clusters, n_heads : int
        The numbers of clusters, and of heads.
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
    """Heads of one encoder's features, whose first layer can take in a linear map."""

    @abstractmethod
    def fold_map(self, projection: Tensor) -> Self:
        """Return heads of features z, which give what these give for z @ projection.

        Parameters
        ----------
        projection : Tensor of shape (n_features, embed_dim)
            A linear map, which the first layer takes in.

        Returns
        -------
        Heads
            With their own weights.
        """
