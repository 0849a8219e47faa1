"""From features to the probability of each cluster: the model that a fit leaves."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_scan.core.features import Features
from sklearn_scan.core.labels import cluster_sizes, most_probable
from sklearn_scan.core.rows import join_blocks
from sklearn_scan.core.threads import note_work
from sklearn_scan.training.heads import (
    CalibratedClusters,
    Heads,
    MergedClusters,
    Scaler,
    log_doubt,
)

__all__ = ["ClusterModel"]


@dataclass(frozen=True, eq=False)
class ClusterModel:
    """Heads, and what brings features to them.

    Parameters
    ----------
    module : nn.Sequential
        From features (b, embed_dim) to logits (1, b, n_clusters): the scaler, a single
        head, and what makes its clusters less sure and merges some, if anything does.
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
        return cast(Heads, self.module[1]).n_clusters

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

    def _blocks(
        self, features: Features
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield the probabilities of some rows at a time."""
        for rows, logits in self._logits(features):
            yield rows, logits[0].softmax(dim=1).numpy()

    @torch.inference_mode()
    def _logits(self, features: Features) -> Iterator[tuple[slice, Tensor]]:
        """Yield the logits of some rows at a time."""
        note_work()
        # In double precision: a sample's row then does not depend on its batch.
        module = copy.deepcopy(self.module).double()
        for rows, block in features.blocks():
            yield rows, module(block.double())

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

    def calibrate(self, features: Features, confidence: float) -> ClusterModel:
        """Return the model with its mean confidence lowered to that given.

        Labels and the order of the samples by confidence stay. A model that is less
        confident already stays too, and one of a single cluster, or where the mean to
        aim at is NaN.
        """
        if self.n_clusters == 1 or np.isnan(confidence):
            return self
        known = features.known()
        blocks = (
            log_doubt(block, self.n_clusters)[0] for _, block in self._logits(known)
        )
        doubts = join_blocks(blocks, len(known))
        last = CalibratedClusters.with_mean(confidence, doubts, self.n_clusters)
        if last.power == 1:
            return self
        return ClusterModel(nn.Sequential(*copy.deepcopy(self.module), last).eval())

    def merge(self, groups: NDArray[np.int64], n_groups: int) -> ClusterModel:
        """Return the model with clusters merged; their probabilities are summed.

        Parameters
        ----------
        groups : ndarray of int64, shape (n_clusters,)
            The number that each cluster has afterwards. Clusters that stay on their own
            keep their order.
        n_groups : int
            The number of clusters afterwards. One that no cluster goes into has the
            probability 0.
        """
        parts = list(copy.deepcopy(self.module))
        if np.array_equal(groups, np.arange(n_groups)):
            return ClusterModel(nn.Sequential(*parts))
        into = torch.from_numpy(groups)
        if isinstance(last := parts[-1], MergedClusters):  # once more
            into = into[last.groups]
            parts.pop()
        return ClusterModel(
            nn.Sequential(*parts, MergedClusters(into, n_groups)).eval()
        )
