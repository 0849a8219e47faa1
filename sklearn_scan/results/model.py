"""From features to the probability of each cluster: the model that a fit leaves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sklearn_scan.core.features import Features
from sklearn_scan.core.labels import cluster_sizes, most_probable
from sklearn_scan.training.heads import Heads, MergedClusters, Scaler

__all__ = ["ClusterModel"]


@dataclass(frozen=True, eq=False)
class ClusterModel:
    """Heads, and what brings features to them.

    Parameters
    ----------
    module : nn.Sequential
        From features (b, embed_dim) to logits (1, b, n_clusters): the scaler, a single
        head, and clusters that are merged, if there are any.
    """

    module: nn.Sequential

    @classmethod
    def of(cls, scaler: Scaler, head: Heads) -> ClusterModel:
        """Return the model of a scaler and a single head, on the CPU."""
        return cls(nn.Sequential(scaler, head).cpu().eval())

    @property
    def n_clusters(self) -> int:
        """The number of clusters, those that are merged counted as one."""
        last = self.module[-1]
        if isinstance(last, MergedClusters):
            return last.n_groups
        return cast(Heads, last).n_clusters

    def probabilities(self, features: Features) -> NDArray[np.float64]:
        """Return the probability of each cluster, (n, n_clusters)."""
        probabilities = np.empty((len(features), self.n_clusters))
        for rows, block in self._blocks(features):
            probabilities[rows] = block
        return probabilities

    def labels(self, features: Features) -> NDArray[np.int64]:
        """Return the most probable clusters, (n,); -1 where features are NaN."""
        labels = np.empty(len(features), dtype=np.int64)
        for rows, block in self._blocks(features):
            labels[rows] = most_probable(block)
        return labels

    @torch.inference_mode()
    def _blocks(
        self, features: Features
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield the probabilities of some rows at a time."""
        # In double precision: a sample's row then does not depend on its batch.
        module = copy.deepcopy(self.module).double()
        for rows, block in features.blocks():
            yield rows, module(block.double())[0].softmax(dim=1).numpy()

    def by_size(self, features: Features) -> tuple[ClusterModel, NDArray[np.int64]]:
        """Return the model with its clusters from the largest to the smallest.

        Returns
        -------
        model : ClusterModel
        order : ndarray of int64, shape (n_clusters,)
            The number that each cluster had before.
        """
        sizes = cluster_sizes(self.labels(features), self.n_clusters)
        order = np.argsort(-sizes, kind="stable")
        module = copy.deepcopy(self.module)
        cast(Heads, module[-1]).reorder(torch.from_numpy(order))
        return ClusterModel(module), order

    def merge(self, groups: NDArray[np.int64]) -> ClusterModel:
        """Return the model with clusters merged; their probabilities are summed.

        Parameters
        ----------
        groups : ndarray of int64, shape (n_clusters,)
            The number that each cluster has afterwards, from 0 without gaps.
        """
        parts = list(copy.deepcopy(self.module))
        if len(groups) == groups.max() + 1:
            return ClusterModel(nn.Sequential(*parts))
        into = torch.from_numpy(groups)
        if isinstance(last := parts[-1], MergedClusters):  # once more
            into = into[last.groups]
            parts.pop()
        return ClusterModel(nn.Sequential(*parts, MergedClusters(into)).eval())
