"""Several partitions of the same samples, by different methods."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions._joint import joint_distribution
from sklearn_scan.neighbors.partitions._k_means import k_means_partition
from sklearn_scan.neighbors.partitions._linkage import linkage_tree
from sklearn_scan.neighbors.partitions._merging import merge_clusters
from sklearn_scan.neighbors.partitions._spectral import spectral_partition

# The number of small clusters to merge, times the number of clusters; fewer for many
# clusters.
_PARTS, _PARTS_OF_MANY, _MANY_PARTS = 8, 3, 120
_LEAST_MEMBERS = 8  # samples in a small cluster, in the mean
_LEAST_NEIGHBORS = 5  # with fewer, a graph falls apart
# The time of merging grows with the cube of the number of parts.
_MOST_PARTS = 500
# Of the weights of graph degree linkage.
_BANDWIDTHS = (1.0, 0.25)


def several_partitions(
    features: NDArray[np.floating],
    neighbors: NeighborGraph,
    n_clusters: int,
    n_partitions: int,
    rng: np.random.RandomState,
    *,
    linkage: bool = False,
) -> list[NDArray[np.int64]]:
    """Partition samples by k-means, spectral clustering and merging small clusters.

    With `linkage`, by graph degree linkage too.
    """
    # No method is the best on all features. All of them use all samples at once, while
    # heads of random weights soon end in clusters close to their start.
    if n_clusters == 1:
        return [np.zeros(len(features), dtype=np.int64)] * n_partitions
    near = neighbors.nearest(max(_LEAST_NEIGHBORS, neighbors.n_neighbors // 2))
    graphs = neighbors, near
    endless = chain(
        _by_linkage(graphs, n_clusters) if linkage else (),
        _partitions(features, graphs, n_clusters, rng),
    )
    return list(islice(endless, n_partitions))


def _by_linkage(
    graphs: tuple[NeighborGraph, NeighborGraph], n_clusters: int
) -> Iterator[NDArray[np.int64]]:
    """Yield partitions by graph degree linkage, of several weights."""
    for graph in graphs:
        for bandwidth in _BANDWIDTHS:
            yield linkage_tree(graph, bandwidth=bandwidth).labels(n_clusters)


def _partitions(
    features: NDArray[np.floating],
    graphs: tuple[NeighborGraph, NeighborGraph],
    n_clusters: int,
    rng: np.random.RandomState,
) -> Iterator[NDArray[np.int64]]:
    """Yield spectral partitions, then rounds of the other methods, without end."""
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
