"""The joint distribution of the clusters of neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.rows import row_blocks
from sklearn_scan.neighbors import NeighborGraph


def joint_distribution(
    clusters: NDArray[np.integer] | NDArray[np.floating], neighbors: NeighborGraph
) -> NDArray[np.float64]:
    """Return the joint distribution (c, c) of neighbours' clusters, made symmetric."""
    if clusters.ndim == 1:
        clusters = clusters.astype(np.int64)  # numbers of pairs may exceed int32
        n_clusters = 1 + int(clusters.max())
        counts = np.zeros(n_clusters**2, dtype=np.int64)
        for block in row_blocks(*neighbors.indices.shape):
            around = clusters[neighbors.indices[block]]
            pairs = n_clusters * clusters[block, np.newaxis] + around
            counts += np.bincount(pairs.ravel(), minlength=n_clusters**2)
        joint = counts.reshape(n_clusters, n_clusters) / neighbors.indices.size
    else:
        # the sum over neighbours first, so that there is no array (n, k, c)
        sums = sum(clusters[column] for column in neighbors.indices.T)
        joint = clusters.T @ sums / neighbors.indices.size
    symmetric: NDArray[np.float64] = (joint + joint.T) / 2
    return symmetric
