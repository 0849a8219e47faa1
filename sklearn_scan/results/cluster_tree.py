"""The tree of clusters: which are merged first, and how near they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import (
    ClusterTree,
    degree_weights,
    merge_by_degree,
    tree_of_merges,
)
from sklearn_scan.results.clustering import Clustering, features_of

__all__ = ["ClusterTree", "cluster_tree"]

_N_NEIGHBORS = 20  # of each sample, where the fit has mined none


def cluster_tree(clusterer: Clustering) -> ClusterTree:
    """Merge the clusters of a clustering into one, two at a time: the nearest first.

    It is graph degree linkage [1]_ on the graph of neighbours, from `labels_` on:
    clusters are near if many paths of neighbours lead from one to the other and back.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`. If it was fitted with `n_neighbors=0`, 20 neighbours
        of each sample are mined.

    Returns
    -------
    ClusterTree
        Leaf number c is cluster c. Empty clusters are merged first, at a height of
        zero, with the largest cluster.

    References
    ----------
    .. [1] W. Zhang et al., "Graph Degree Linkage: Agglomerative Clustering on a
       Directed Graph", ECCV 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.results.cluster_tree import cluster_tree
    >>> X = load_digits().data[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)
    >>> tree = cluster_tree(clusterer)
    >>> tree.n_leaves, tree.labels(4).max() + 1
    (10, np.int64(4))
    """
    check_is_fitted(clusterer)
    sizes = cluster_sizes(clusterer.labels_, clusterer.n_clusters_)
    rows = np.flatnonzero(clusterer.labels_ >= 0)
    filled, labels = np.unique(clusterer.labels_[rows], return_inverse=True)
    if not len(filled):
        sizes[0] = 1  # of clusters that are all empty, any may be the largest
    if len(filled) <= 1:
        tree = tree_of_merges(1, [])
    else:
        weights = degree_weights(_neighbors_of(clusterer, rows))[rows][:, rows]
        tree = tree_of_merges(len(filled), merge_by_degree(weights, labels))
    return _add_empty(tree, sizes)


def _neighbors_of(clusterer: Clustering, rows: NDArray[np.int64]) -> NeighborGraph:
    """Return the graph of the fit; if it has no neighbours, that of its features."""
    neighbors = clusterer.neighbors_
    if neighbors.n_neighbors:
        return neighbors
    mined = mine_neighbors(
        features_of(clusterer).centered()[rows],
        min(_N_NEIGHBORS, len(rows) - 1),
        random_state=0,
    )
    return mined.spread(rows, len(clusterer.labels_))


def _add_empty(tree: ClusterTree, sizes: NDArray[np.int64]) -> ClusterTree:
    """Return the tree of all clusters, from that of the clusters with members."""
    filled, empty = np.flatnonzero(sizes), np.flatnonzero(sizes == 0)
    n_first = len(sizes) + len(empty)  # nodes below the merges of the given tree
    largest = np.concatenate([[sizes.argmax()], np.arange(len(sizes), n_first)])
    filled[filled == largest[0]] = largest[-1]
    nodes = np.concatenate([filled, n_first + np.arange(len(tree.children))])
    below = np.column_stack([largest[:-1], empty])
    return ClusterTree(
        np.concatenate([below, nodes[tree.children]]),
        np.concatenate([np.zeros(len(empty)), tree.distances]),
    )
