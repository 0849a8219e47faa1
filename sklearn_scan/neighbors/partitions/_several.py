"""Several partitions of the same samples, each made in another way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions._joint import joint_distribution
from sklearn_scan.neighbors.partitions._k_means import k_means_partition
from sklearn_scan.neighbors.partitions._merging import merge_clusters
from sklearn_scan.neighbors.partitions._spectral import spectral_partition

# Small clusters to merge: so many for each one wanted, and fewer of many, of so many
# samples each.
_PARTS, _PARTS_OF_MANY, _MANY_PARTS = 8, 3, 120
_LEAST_MEMBERS = 8
_LEAST_NEIGHBORS = 5  # with fewer, a graph falls apart
# Merging takes time with the cube of their number: of more it is left out.
_MOST_PARTS = 500


def several_partitions(
    features: NDArray[np.floating],
    neighbors: NeighborGraph,
    n_clusters: int,
    n_partitions: int,
    rng: np.random.RandomState,
) -> list[NDArray[np.int64]]:
    """Part samples by k-means, by spectral clustering, and by merging small clusters.

    The latter two look at all neighbours and at the nearer half of them, and merging
    with and without regard to the clusters' sizes. None of them is the best on all
    features; what they have in common is that they see all samples at once, while heads
    of random weights soon settle in clusters near by.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        The samples, where distances are measured.
    neighbors : NeighborGraph
        Their neighbours.
    n_clusters : int
        The number of clusters, at most n.
    n_partitions : int
        How many partitions.
    rng : RandomState
        Draws where each begins.

    Returns
    -------
    list of ndarray of int, shape (n,)
        In each, clusters are numbered from 0 to at most n_clusters - 1.
    """
    if n_clusters == 1:
        return [np.zeros(len(features), dtype=np.int64)] * n_partitions
    near = neighbors.nearest(max(_LEAST_NEIGHBORS, neighbors.n_neighbors // 2))
    endless = _partitions(features, (neighbors, near), n_clusters, rng)
    return list(islice(endless, n_partitions))


def _partitions(
    features: NDArray[np.floating],
    graphs: tuple[NeighborGraph, NeighborGraph],
    n_clusters: int,
    rng: np.random.RandomState,
) -> Iterator[NDArray[np.int64]]:
    """Yield the cheap and the different first; from the second round, new draws."""
    for graph in graphs:
        yield spectral_partition(graph, n_clusters, rng)
    n_parts = min(_PARTS * n_clusters, max(_PARTS_OF_MANY * n_clusters, _MANY_PARTS))
    n_parts = min(n_parts, len(features) // _LEAST_MEMBERS)
    while True:
        yield k_means_partition(features, n_clusters, rng, n_starts=3)
        if not n_clusters < n_parts <= _MOST_PARTS:
            continue
        parts = k_means_partition(features, n_parts, rng)
        for graph in graphs:
            joint = joint_distribution(parts, graph)
            for per_entropy in (False, True):
                yield merge_clusters(joint, n_clusters, per_entropy=per_entropy)[parts]
