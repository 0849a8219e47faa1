"""Partitions by several methods, which tell how right a fit's clusters may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from numpy import int64
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from sklearn_scan.clusterers.defaults import MOST_COMPARED, MOST_COMPARED_OF_CLUSTER
from sklearn_scan.core.features import center_blocks
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.sampling import draw_rows
from sklearn_scan.model_selection import Quality
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import join_partitions, plain_partitions
from sklearn_scan.training.heads import (
    MOST_AXES,
    KernelFeatures,
    PrincipalAxes,
    make_scaler,
)

_NEIGHBORS = 20  # the most that a method looks at


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Comparison:
    """Some samples of a fit, their neighbours among them, and partitions of them.

    Parameters
    ----------
    rows : ndarray of int64, shape (n,)
        Which samples they are.
    features : Tensor of shape (n, d)
        They along their principal axes.
    graph : NeighborGraph
        Their neighbours.
    partitions : sequence of ndarray of int64, shape (n,)
        Their clusters, by several methods.
    """

    rows: NDArray[int64]
    features: Tensor
    graph: NeighborGraph
    partitions: Sequence[NDArray[int64]]

    @classmethod
    @torch.no_grad()
    def drawn(
        cls, features: Rows, dims: Sequence[int], n_clusters: int, seed: int
    ) -> Self:
        """Draw samples from the features of a fit, and partition them.

        They are as they came: where a map has learnt from the clusters, other methods
        would find these again.
        """
        most = max(MOST_COMPARED, n_clusters * MOST_COMPARED_OF_CLUSTER)
        rows = draw_rows(len(features), seed, most)
        drawn = torch.from_numpy(rows).to(features.device)
        some = features.index_select(0, drawn)
        kernel = make_scaler(KernelFeatures.from_features, some, dims)
        mapped = kernel(some)
        axes = PrincipalAxes.of(mapped, kernel.dims, MOST_AXES).scaled_to(mapped)
        inside = axes.project(mapped)
        graph = mine_neighbors(
            center_blocks(some, tuple(dims)),
            min(_NEIGHBORS, len(rows) - 1),
            method="exact",
            device=features.device,
        )
        partitions = plain_partitions(
            inside.cpu().numpy(),
            {"neighbours": graph},
            n_clusters,
            check_random_state(seed),
        )
        return cls(
            rows, inside, graph, [*join_partitions(partitions.values()).values()]
        )

    def quality(self, labels: NDArray[int64]) -> Quality:
        """Return what is known of the clusters of all samples of the fit."""
        labels = labels[self.rows]
        return Quality.of(labels, self.partitions, self.features, self.graph)
