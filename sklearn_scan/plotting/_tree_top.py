"""The last merges of a tree: what they merge, and what stands for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.features import Features
from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._fitted import prototypes_of, short_names
from sklearn_scan.results.cluster_tree import ClusterTree, cluster_tree
from sklearn_scan.results.clustering import Clustering
from sklearn_scan.results.prototypes import cluster_prototypes

_MOST_LETTERS = 15


@runtime_checkable
class SampleClustering(Protocol):
    """A fitted clusterer that merges samples, which are the leaves of its tree."""

    tree_: ClusterTree
    labels_: NDArray[np.int64]  # (n,); -1 for images of no cluster
    embedding_: NDArray[np.float32] | None  # (n, embed_dim); None of a graph alone
    embedding_dims_: tuple[int, ...]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class TreeTop:
    """The last merges of a tree; its leaves are groups of the images."""

    tree: ClusterTree
    prototypes: NDArray[np.int64]  # the row of an image for each leaf; -1 for none
    captions: Sequence[str]  # of each leaf


def top_of(clusterer: Clustering | SampleClustering, n_leaves: int) -> TreeTop:
    """Return the top of a fitted clusterer's tree, of at most so many leaves."""
    if isinstance(clusterer, SampleClustering):
        return _top_of_samples(clusterer, n_leaves)
    return _top_of_clusters(clusterer, n_leaves)


def _top_of_samples(clusterer: SampleClustering, n_leaves: int) -> TreeTop:
    """Return the top, where the image nearest to the mean stands for a group.

    Without an embedding it is the first image.
    """
    tree = clusterer.tree_
    n_groups = min(n_leaves, tree.n_leaves)
    labels = np.full(len(clusterer.labels_), -1, dtype=np.int64)
    labels[clusterer.labels_ >= 0] = tree.labels(n_groups)
    embedding = np.zeros((len(labels), 1), dtype=np.float32)
    if clusterer.embedding_ is not None:
        dims = clusterer.embedding_dims_
        embedding = Features.of(clusterer.embedding_, dims).centered()
    even = np.broadcast_to(1.0, (len(labels), n_groups))  # all are candidates
    prototypes = cluster_prototypes(embedding, even, labels, n_candidates=len(labels))
    captions = [
        f"{size} image{'s' if size != 1 else ''}"
        for size in cluster_sizes(labels, n_groups)
    ]
    return TreeTop(cut_top(tree, n_groups), prototypes, captions)


def _top_of_clusters(clusterer: Clustering, n_leaves: int) -> TreeTop:
    """Return the top, where the largest cluster stands for a group of clusters."""
    tree = cluster_tree(clusterer)
    n_groups = min(n_leaves, tree.n_leaves)
    groups = tree.labels(n_groups)
    sizes = cluster_sizes(clusterer.labels_, tree.n_leaves)
    names, prototypes = short_names(clusterer), prototypes_of(clusterer)
    members = [np.flatnonzero(groups == group) for group in range(n_groups)]
    largest = [clusters[sizes[clusters].argmax()] for clusters in members]
    titles = [
        shorten(names[clusters[0]], _MOST_LETTERS)
        if len(clusters) == 1
        else f"{len(clusters)} clusters"
        for clusters in members
    ]
    captions = [
        f"{title} ({sizes[clusters].sum()})"
        for title, clusters in zip(titles, members, strict=True)
    ]
    return TreeTop(cut_top(tree, n_groups), prototypes[largest], captions)


def cut_top(tree: ClusterTree, n_leaves: int) -> ClusterTree:
    """Return the last merges, whose leaf number c is cluster c of `tree.labels`."""
    n_below = tree.n_leaves - n_leaves
    children, labels = tree.children, tree.labels(n_leaves)
    # a cluster is the node that its last merge below makes, or a single leaf
    groups = [*labels, *np.empty(n_below, np.int64)]
    for node in range(n_below):
        groups[tree.n_leaves + node] = groups[children[node, 0]]
    nodes = np.array([*groups, *range(n_leaves, 2 * n_leaves - 1)], dtype=np.int64)
    return ClusterTree(nodes[children[n_below:]], tree.distances[n_below:])
