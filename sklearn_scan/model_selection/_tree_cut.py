"""The number of clusters at which to cut a tree of merges."""

from __future__ import annotations

import numpy as np

from sklearn_scan.model_selection._modularity import neighbor_modularity
from sklearn_scan.model_selection._n_clusters import (
    ClusterNumberCurve,
    candidate_numbers,
    check_enough_samples,
    warn_if_unclear,
)
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions import ClusterTree, find_parts


def choose_cut(tree: ClusterTree, neighbors: NeighborGraph) -> ClusterNumberCurve:
    """Choose the cut of a tree at which the clusters have the highest modularity.

    This is like `estimate_n_clusters`, but with the clusters of the tree instead of
    spectral clusters, and with the graph that the tree was made from. Parts of the
    graph that no neighbours link are not merged, because this would only lower the
    modularity.

    Parameters
    ----------
    tree : ClusterTree
        Its leaves are the samples.
    neighbors : NeighborGraph
        The neighbours of the same samples.

    Returns
    -------
    ClusterNumberCurve
        The number chosen, and the modularity of all numbers tried.

    Raises
    ------
    ValueError
        If there are fewer than 20 samples, or if the graph has other samples.

    Warns
    -----
    ConvergenceWarning
        If the best score is no higher than that of features without clusters.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from sklearn_scan.neighbors import mine_neighbors
    >>> from sklearn_scan.neighbors.partitions import linkage_tree
    >>> X, _ = make_blobs(300, n_features=20, centers=7, random_state=0)
    >>> neighbors = mine_neighbors(X, metric="euclidean")
    >>> choose_cut(linkage_tree(neighbors), neighbors).n_clusters
    7
    """
    if tree.n_leaves != neighbors.n_samples:
        raise ValueError(
            f"neighbors must be of the {tree.n_leaves} leaves of the tree; got "
            f"{neighbors.n_samples} samples."
        )
    check_enough_samples(tree.n_leaves)
    n_parts = int(find_parts(neighbors).max()) + 1
    candidates = candidate_numbers(tree.n_leaves, neighbors.n_neighbors)
    candidates = np.unique(candidates.clip(n_parts))
    scores = np.array(
        [neighbor_modularity(tree.labels(int(k)), neighbors) for k in candidates]
    )
    curve = ClusterNumberCurve(int(candidates[scores.argmax()]), candidates, scores)
    warn_if_unclear(curve)
    return curve
