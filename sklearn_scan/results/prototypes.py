"""Prototypes and members of clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.labels import most_probable
from sklearn_scan.core.validation import check_count

__all__ = ["cluster_members", "cluster_prototypes"]


def cluster_prototypes(
    embedding: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    labels: NDArray[np.int64] | None = None,
    *,
    n_candidates: int = 10,
) -> NDArray[np.int64]:
    """Find the prototype of each cluster.

    It is, among the cluster's most confident members, the one nearest to their mean
    embedding.

    Parameters
    ----------
    embedding : ndarray of shape (n, embed_dim)
        The embedding of the samples.
    probabilities : ndarray of shape (n, n_clusters)
        Their probability of each cluster; NaN for samples of no cluster.
    labels : ndarray of shape (n,), default=None
        The cluster of each, -1 for samples of none; None takes the most probable one.
    n_candidates : int, default=10
        The number of most confident members.

    Returns
    -------
    ndarray of int64, shape (n_clusters,)
        The index of each prototype; -1 for an empty cluster.

    References
    ----------
    .. [1] W. Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
       ECCV 2020, section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> embedding = np.array([[0.0], [1.0], [5.0], [9.0]])
    >>> probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]])
    >>> cluster_prototypes(embedding, probabilities)
    array([1, 3])
    """
    check_count("n_candidates", n_candidates)
    if labels is None:
        labels = most_probable(probabilities)
    prototypes = np.full(probabilities.shape[1], -1, dtype=np.int64)
    for cluster, members in enumerate(cluster_members(labels, probabilities)):
        if len(members):
            surest = members[:n_candidates]
            mean = embedding[surest].mean(axis=0)
            distances = np.linalg.norm(embedding[surest] - mean, axis=1)
            prototypes[cluster] = surest[distances.argmin()]
    return prototypes


def cluster_members(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> list[NDArray[np.int64]]:
    """Return the members of each cluster, the most confident first.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        The cluster of each sample; -1 for samples of none.
    probabilities : ndarray of shape (n, n_clusters)
        Their probability of each cluster.

    Returns
    -------
    list of ndarray of int64
        The indices of each cluster's members, in descending order of its probability.

    Examples
    --------
    >>> import numpy as np
    >>> probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])
    >>> [rows.tolist() for rows in cluster_members(np.array([0, 0, 1]), probabilities)]
    [[1, 0], [2]]
    """
    members = []
    for cluster in range(probabilities.shape[1]):
        rows = np.flatnonzero(labels == cluster)
        order = np.argsort(-probabilities[rows, cluster], kind="stable")
        members.append(rows[order])
    return members
