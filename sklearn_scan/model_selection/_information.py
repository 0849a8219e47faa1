"""Mutual information of the clusters of neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions import joint_distribution


def neighbor_information(
    clusters: NDArray[np.integer] | NDArray[np.floating], neighbors: NeighborGraph
) -> float:
    r"""Return the mutual information of a sample's cluster and a neighbour's cluster.

    It uses the joint distribution of the clusters :math:`c, c'` of a sample and of one
    of its neighbours

    .. math:: P(c, c') = \frac{1}{nK} \sum_i \sum_{j \in N(i)} p_i(c)\, p_j(c')

    made symmetric. The result is in nats, at most log(n_clusters). It falls if
    neighbours disagree, if clusters are equally probable, and if clusters are merged or
    empty.

    Parameters
    ----------
    clusters : ndarray of int, shape (n,), or of float, shape (n, n_clusters)
        The cluster of each sample, numbered from 0, or the probability of each cluster.
    neighbors : NeighborGraph
        The neighbours of the same samples.

    Returns
    -------
    float
        Zero or more; higher is better.

    References
    ----------
    .. [1] X. Ji et al., "Invariant Information Clustering for Unsupervised Image
       Classification and Segmentation", ICCV 2019, equation 3, with neighbours in the
       place of views.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.neighbors import NeighborGraph
    >>> pairs = NeighborGraph(np.array([[1], [0], [3], [2]]), np.ones((4, 1)))
    >>> agreeing, disagreeing = np.eye(2)[[0, 0, 1, 1]], np.full((4, 2), 0.5)
    >>> round(neighbor_information(agreeing, pairs), 3)
    0.693
    >>> round(neighbor_information(disagreeing, pairs), 3)
    0.0
    """
    joint = joint_distribution(clusters, neighbors)
    marginal = joint.sum(axis=0)
    first, second = np.nonzero(joint)
    seen = joint[first, second]
    # logarithms before products, which may underflow for two nearly empty clusters
    log_ratio = np.log(seen) - np.log(marginal[first]) - np.log(marginal[second])
    return max(0.0, float(np.sum(seen * log_ratio)))


def information_lost(
    before: NDArray[np.integer], after: NDArray[np.integer], neighbors: NeighborGraph
) -> float:
    """Return the share of the `neighbor_information` of labels that is lost.

    It uses labels and not probabilities, because any training raises confidence.

    Parameters
    ----------
    before, after : ndarray of int, shape (n,)
        The clusters of the same samples, numbered from 0.
    neighbors : NeighborGraph
        Their neighbours.

    Returns
    -------
    float
        1 if all information is lost; below 0 if information is gained.
    """
    old, new = (neighbor_information(labels, neighbors) for labels in (before, after))
    return 1 - new / old if old > 0 else 0.0
