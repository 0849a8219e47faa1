"""Modularity: how much more often than by chance neighbours share a cluster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.rows import row_blocks
from sklearn_scan.neighbors import NeighborGraph

# Chosen among 10, 15, 20, 30, 50 and 100 on six sets of features: fewer neighbours are
# noisy, and more reach into other classes, where classes have 72 samples.
_MOST_NEIGHBORS = 20
_LEAST_SAMPLES_A_NEIGHBOR = 10  # 20 neighbours would be most of few samples


def neighbor_modularity(labels: NDArray[np.integer], neighbors: NeighborGraph) -> float:
    r"""Return the modularity of clusters in the graph of neighbours.

    It says how much more often neighbours are in the same cluster than samples that are
    drawn by chance,

    .. math:: Q = \sum_c P(c, c) - P(c)^2

    with :math:`P` as in `neighbor_information`. Few clusters agree often by chance, and
    many clusters separate neighbours. So modularity is highest for some number of
    clusters in between, while information grows with the number.

    Parameters
    ----------
    labels : ndarray of int, shape (n,)
        The cluster of each sample, numbered from 0.
    neighbors : NeighborGraph
        The neighbours of the same samples.

    Returns
    -------
    float
        Below 1. It is zero for a single cluster, and on average for random clusters.

    References
    ----------
    .. [1] M. E. J. Newman, "Modularity and community structure in networks", PNAS 103,
       2006, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.neighbors import NeighborGraph
    >>> pairs = NeighborGraph(np.array([[1], [0], [3], [2]]), np.ones((4, 1)))
    >>> neighbor_modularity(np.array([0, 0, 1, 1]), pairs)
    0.5
    >>> neighbor_modularity(np.array([0, 0, 0, 0]), pairs)
    0.0
    """
    # of as many clusters as samples, P would not fit into memory
    labels = np.unique(labels, return_inverse=True)[1]
    n_shared, ends = 0, neighbors.n_neighbors * np.bincount(labels)
    for block in row_blocks(*neighbors.indices.shape):
        around = labels[neighbors.indices[block]]
        n_shared += int(np.count_nonzero(around == labels[block, np.newaxis]))
        ends += np.bincount(around.ravel(), minlength=len(ends))
    by_chance = np.sum((ends / ends.sum()) ** 2)
    return float(n_shared / neighbors.indices.size - by_chance)


def count_neighbors(n_samples: int) -> int:
    """Return the number of neighbours to use, of `n_samples` samples."""
    return min(_MOST_NEIGHBORS, max(1, n_samples // _LEAST_SAMPLES_A_NEIGHBOR))
