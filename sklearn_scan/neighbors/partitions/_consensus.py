"""A partition that several partitions agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd

from sklearn_scan.neighbors.partitions._spectral import cluster_directions

_MOST_VECTORS = 256
_POWER_STEPS = 4


def consensus_partition(
    partitions: Sequence[NDArray[np.int64]], n_clusters: int, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Return a partition of samples that are often in one cluster.

    Samples and the clusters of all partitions are the two sides of a graph, whose
    spectral clusters are found by its singular vectors. Small clusters weigh as much as
    large ones.

    Parameters
    ----------
    partitions : sequence of ndarray of int64, shape (n,)
        The cluster of each sample, numbered from 0, in each partition.
    n_clusters : int
        The number of clusters.
    rng : RandomState
        Draws the starts of k-means.

    References
    ----------
    .. [1] X. Fern and C. Brodley, "Solving Cluster Ensemble Problems by Bipartite Graph
       Partitioning", ICML 2004.
    """
    members = _members(partitions)
    sizes = np.asarray(members.sum(axis=0)).ravel()
    members = csr_array(members * (1 / np.sqrt(sizes.clip(1)))[np.newaxis])
    n_vectors = min(n_clusters, _MOST_VECTORS, *members.shape)
    vectors, values, _ = randomized_svd(
        members, n_vectors, n_iter=_POWER_STEPS, random_state=rng
    )
    return cluster_directions(vectors * values, n_clusters, rng)


def _members(partitions: Sequence[NDArray[np.int64]]) -> csr_array:
    """Return a column for each cluster of each partition, with 1 for its samples."""
    n_samples = len(partitions[0])
    sizes = [1 + int(labels.max()) for labels in partitions]
    firsts = np.cumsum([0, *sizes[:-1]])
    columns = np.stack(partitions, axis=1) + firsts
    rows = np.arange(0, columns.size + 1, len(partitions))
    ones = np.ones(columns.size)
    return csr_array((ones, columns.ravel(), rows), shape=(n_samples, sum(sizes)))
