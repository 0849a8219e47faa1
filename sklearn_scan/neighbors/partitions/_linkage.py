"""The tree of graph degree linkage, from single samples to one cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import DisjointSet

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions._degree_merging import Merge, merge_by_degree
from sklearn_scan.neighbors.partitions._degree_weights import FURTHEST, degree_weights
from sklearn_scan.neighbors.partitions._parts import Pairs, find_parts
from sklearn_scan.neighbors.partitions._tree import ClusterTree, number_by_size

# The height in a tree of merges of clusters that no path of neighbours links. Those of
# linked ones are lower: the least affinity, of one weight, is exp(-2 FURTHEST) / 4n^2.
UNLINKED_HEIGHT = 2 * FURTHEST + 100


def first_clusters(neighbors: NeighborGraph) -> NDArray[np.int64]:
    """Return the parts of the graph of first neighbours, from which merging starts."""
    return number_by_size(find_parts(neighbors.nearest(1)))


def tree_of_merges(n_clusters: int, merges: Sequence[Merge]) -> ClusterTree:
    """Return the tree of merges of `n_clusters` clusters, its leaves.

    A height is log(1 + 1 / affinity), or that of an earlier merge, if it was higher.
    Clusters that nothing links are merged at the end, from the smallest number on.
    """
    merges = [*merges, *_unlinked(n_clusters, merges)]
    children = np.array([merge[:2] for merge in merges], np.int64).reshape(-1, 2)
    affinities = np.array([merge.affinity for merge in merges])
    return ClusterTree(children, np.maximum.accumulate(np.log1p(1 / affinities)))


def _unlinked(n_clusters: int, merges: Sequence[Merge]) -> list[Merge]:
    """Return merges that make one cluster of those that are left."""
    n_made = n_clusters + len(merges)
    merged = {node for merge in merges for node in merge[:2]}
    roots = [node for node in range(n_made) if node not in merged]
    last, rest = roots[0], roots[1:]
    joins = []
    for number, root in enumerate(rest):
        joins.append(Merge(last, root, float(np.exp(-UNLINKED_HEIGHT))))
        last = n_made + number
    return joins


def linkage_tree(
    neighbors: NeighborGraph, pairs: Pairs | None = None, *, bandwidth: float = 1.0
) -> ClusterTree:
    """Return the tree of all samples by graph degree linkage.

    Samples are first merged with their nearest neighbours, at a height of zero; then
    the clusters that this makes, by `merge_by_degree`.

    Parameters
    ----------
    neighbors, pairs, bandwidth
        As for `degree_weights`.
    """
    labels = first_clusters(neighbors)
    weights = degree_weights(neighbors, pairs, bandwidth=bandwidth)
    above = tree_of_merges(int(labels.max()) + 1, merge_by_degree(weights, labels))
    below, roots = _merge_nearest(neighbors, labels)
    # the clusters are the leaves of the tree above, and nodes of the whole tree
    n_made = neighbors.n_samples + len(below)
    nodes = np.concatenate([roots, n_made + np.arange(len(above.children))])
    return ClusterTree(
        np.concatenate([below, nodes[above.children]]),
        np.concatenate([np.zeros(len(below)), above.distances]),
    )


def _merge_nearest(
    neighbors: NeighborGraph, labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Merge samples with their nearest neighbours, the nearest pairs first.

    Returns
    -------
    children : ndarray of int64, shape (n - n_clusters, 2)
        The two nodes of each merge.
    roots : ndarray of int64, shape (n_clusters,)
        The node that each cluster is.
    """
    n_samples = neighbors.n_samples
    nodes = DisjointSet(range(n_samples))  # of samples
    node_of = list(range(n_samples))  # by the sample that stands for a set
    children = []
    nearest = neighbors.nearest(1)
    order = np.argsort(-nearest.similarities[:, 0], kind="stable")
    for sample, other in zip(
        order.tolist(), nearest.indices[order, 0].tolist(), strict=True
    ):
        if other < 0 or nodes.connected(sample, other):
            continue
        children.append([node_of[nodes[sample]], node_of[nodes[other]]])
        nodes.merge(sample, other)
        node_of[nodes[sample]] = n_samples + len(children) - 1
    roots = np.empty(int(labels.max()) + 1, dtype=np.int64)
    roots[labels] = [node_of[nodes[sample]] for sample in range(n_samples)]
    return np.array(children, dtype=np.int64).reshape(-1, 2), roots
