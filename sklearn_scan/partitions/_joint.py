"""Which clusters a sample and its neighbours fall into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.neighbors import NeighborGraph


def joint_distribution(
    probabilities: NDArray[np.floating], neighbors: NeighborGraph
) -> NDArray[np.floating]:
    """Return how often a sample is in one cluster and a neighbour in another.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_clusters)
        The probability of each cluster.
    neighbors : NeighborGraph
        The neighbours of the same samples.

    Returns
    -------
    ndarray of shape (n_clusters, n_clusters)
        Symmetric; sums to one.
    """
    # the mean over neighbours first: (n, k, c) is never held
    around = sum(probabilities[column] for column in neighbors.indices.T)
    joint = probabilities.T @ around / neighbors.indices.size
    symmetric: NDArray[np.floating] = (joint + joint.T) / 2
    return symmetric


def decided(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return labels, numbered from 0, as probabilities of zero and one."""
    return np.eye(1 + labels.max())[labels]
