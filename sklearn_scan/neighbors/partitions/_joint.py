"""Which clusters a sample and its neighbours fall into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.rows import row_blocks
from sklearn_scan.neighbors import NeighborGraph


def joint_distribution(
    clusters: NDArray[np.integer] | NDArray[np.floating], neighbors: NeighborGraph
) -> NDArray[np.float64]:
    """Return how often a sample is in one cluster and a neighbour in another.

    Parameters
    ----------
    clusters : ndarray of int, shape (n,), or of float, shape (n, n_clusters)
        The cluster of each sample, numbered from 0, or the probability of each cluster.
    neighbors : NeighborGraph
        The neighbours of the same samples.

    Returns
    -------
    ndarray of float64, shape (n_clusters, n_clusters)
        Symmetric; sums to one.
    """
    if clusters.ndim == 1:
        clusters = clusters.astype(np.int64)  # the numbers of pairs need the room
        n_clusters = 1 + int(clusters.max())
        counts = np.zeros(n_clusters**2, dtype=np.int64)
        for block in row_blocks(*neighbors.indices.shape):
            around = clusters[neighbors.indices[block]]
            pairs = n_clusters * clusters[block, np.newaxis] + around
            counts += np.bincount(pairs.ravel(), minlength=n_clusters**2)
        joint = counts.reshape(n_clusters, n_clusters) / neighbors.indices.size
    else:
        # the mean over neighbours first: (n, k, c) is never held
        sums = sum(clusters[column] for column in neighbors.indices.T)
        joint = clusters.T @ sums / neighbors.indices.size
    symmetric: NDArray[np.float64] = (joint + joint.T) / 2
    return symmetric
