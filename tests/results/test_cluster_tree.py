"""The tree of a clustering's clusters, against a slow reference and in odd cases."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from result_helpers import X, fit
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import NotFittedError

from sklearn_scan import JULEClusterer, SCANClusterer, TEMIClusterer, relabel
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import degree_weights
from sklearn_scan.results.cluster_tree import cluster_tree
from sklearn_scan.results.relabeling import Edits


class Fitted(ClusterMixin, BaseEstimator):
    """What the tree reads of a clusterer, of given features and labels."""

    def __init__(self, features, labels, n_clusters, n_neighbors=5):
        self.features = features
        self.labels = labels
        self.n_clusters = n_clusters
        self.n_neighbors = n_neighbors

    def fit(self, X=None, y=None):
        self.embedding_ = np.asarray(self.features, dtype=np.float32)
        self.embedding_dims_ = (self.embedding_.shape[1],)
        self.labels_ = np.asarray(self.labels)
        self.n_clusters_ = self.n_clusters
        rows = np.flatnonzero(self.labels_ >= 0)
        graph = NeighborGraph.empty(len(rows))
        if self.n_neighbors:
            known = self.embedding_[rows]
            graph = mine_neighbors(known, self.n_neighbors, center=True)
        self.neighbors_ = graph.spread(rows, len(self.labels_))
        return self


def random_clusters(seed=0, n_samples=80, n_clusters=6):
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(n_clusters), rng.integers(0, n_clusters, n_samples))
    centers = rng.normal(size=(n_clusters, 4))
    return centers[labels] + rng.normal(size=(len(labels), 4)), labels


def slow_groups(weights, labels, n_groups):
    """Merge the two clusters of the highest affinity, until so many are left."""
    groups = [{c} for c in range(labels.max() + 1)]

    def affinity(first, second):
        a, b = (np.isin(labels, list(group)) for group in (first, second))
        there = weights[a].sum(axis=0)[b] ** 2
        back = weights[b].sum(axis=0)[a] ** 2
        return there.sum() / a.sum() ** 2 + back.sum() / b.sum() ** 2

    while len(groups) > n_groups:
        pairs = [(a, b) for i, a in enumerate(groups) for b in groups[:i]]
        first, second = max(pairs, key=lambda pair: affinity(*pair))
        groups = [g for g in groups if g not in (first, second)] + [first | second]
    return {frozenset(group) for group in groups}


def groups_of(labels):
    return {frozenset(np.flatnonzero(labels == c).tolist()) for c in np.unique(labels)}


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_slow_reference(seed):
    features, labels = random_clusters(seed)
    clusterer = Fitted(features, labels, 6).fit()
    tree = cluster_tree(clusterer)
    weights = degree_weights(clusterer.neighbors_).toarray()
    for n_groups in range(1, 7):
        expected = slow_groups(weights, labels, n_groups)
        assert groups_of(tree.labels(n_groups)) == expected


def test_unreadable_images_are_left_out():
    features, labels = random_clusters()
    expected = cluster_tree(Fitted(features, labels, 6).fit())
    features = np.insert(features, [0, 40], np.nan, axis=0)
    labels = np.insert(labels, [0, 40], -1)
    for n_neighbors in (5, 0):
        clusterer = Fitted(features, labels, 6, n_neighbors).fit()
        tree = cluster_tree(clusterer)
        assert tree.n_leaves == 6
        if n_neighbors:
            assert_array_equal(tree.children, expected.children)
            assert_array_equal(tree.distances, expected.distances)


def test_empty_clusters_are_merged_first_with_the_largest():
    features, labels = random_clusters()
    before = cluster_tree(Fitted(features, labels, 6).fit())
    numbers = np.array([0, 2, 3, 5, 6, 7])  # 1, 4 and 8 are empty
    tree = cluster_tree(Fitted(features, numbers[labels], 9).fit())
    largest = numbers[np.bincount(labels).argmax()]
    assert tree.n_leaves == 9
    assert tree.children[:3].tolist() == [[largest, 1], [9, 4], [10, 8]]
    assert_array_equal(tree.distances, [0, 0, 0, *before.distances])
    for n_groups in range(1, 7):
        groups = groups_of(tree.labels(n_groups)[numbers])
        assert groups == groups_of(before.labels(n_groups))


def test_one_cluster_is_a_tree_without_merges():
    tree = cluster_tree(Fitted(np.arange(6.0)[:, None], np.zeros(6, int), 1).fit())
    assert tree.n_leaves == 1
    assert tree.children.shape == (0, 2)
    assert tree.distances.shape == (0,)


def test_one_image_and_empty_clusters():
    tree = cluster_tree(Fitted(np.ones((1, 2)), [1], 3, n_neighbors=0).fit())
    assert tree.children.tolist() == [[1, 0], [3, 2]]
    assert tree.distances.tolist() == [0, 0]


def test_without_neighbors_twenty_are_mined():
    features, labels = random_clusters()
    mined = cluster_tree(Fitted(features, labels, 6, n_neighbors=20).fit())
    tree = cluster_tree(Fitted(features, labels, 6, n_neighbors=0).fit())
    assert_array_equal(tree.children, mined.children)
    few = cluster_tree(Fitted(features[:6], labels[:6], 6, n_neighbors=0).fit())
    assert few.n_leaves == 6


def test_clusters_that_nothing_links_are_merged_last():
    labels = np.arange(60) % 6
    noise = np.random.default_rng(0).normal(size=(60, 6))
    clusterer = Fitted(10 * np.eye(6)[labels] + 0.1 * noise, labels, 6).fit()
    tree = cluster_tree(clusterer)
    expected = [[0, 1], [6, 2], [7, 3], [8, 4], [9, 5]]  # by number
    assert tree.children.tolist() == expected
    assert (np.diff(tree.distances) >= 0).all()
    assert np.isfinite(tree.distances).all()


def test_images_moved_by_hand_count_where_they_are():
    features, labels = random_clusters()
    clusterer = Fitted(features, labels, 6).fit()
    before = cluster_tree(clusterer)
    clusterer.labels_ = np.where(labels == 0, 1, labels)
    tree = cluster_tree(clusterer)
    assert tree.n_leaves == 6
    assert tree.children[0].tolist() == [1, 0]  # which is empty now
    assert tree.distances[0] == 0
    assert before.distances[0] > 0


@pytest.mark.parametrize("kind", [SCANClusterer, TEMIClusterer, JULEClusterer])
def test_of_fitted_clusterers(kind):
    clusterer = fit(X, kind)
    tree, again = cluster_tree(clusterer), cluster_tree(clusterer)
    assert tree.n_leaves == 4
    assert_array_equal(tree.children, again.children)
    assert_array_equal(tree.distances, again.distances)
    assert (np.diff(tree.distances) >= 0).all()
    fewer = relabel(clusterer, Edits(merged={3: 0}, moved={0: 1}))
    assert cluster_tree(fewer).n_leaves == 3


def test_an_unfitted_clusterer_is_refused():
    with pytest.raises(NotFittedError):
        cluster_tree(SCANClusterer())
