"""The tree of merges, against SciPy's and scikit-learn's cuts of the same merges."""

import numpy as np
import pytest
from partition_helpers import assert_same_clusters
from scipy.cluster.hierarchy import (
    dendrogram,
    fcluster,
    is_monotonic,
    is_valid_linkage,
    linkage,
)
from sklearn.cluster._agglomerative import _hc_cut

from sklearn_scan.neighbors.partitions import ClusterTree, number_by_size


def random_tree(n_leaves, seed=0):
    """Return a tree of merges drawn at random, of strictly growing heights."""
    rng = np.random.default_rng(seed)
    nodes, children = list(range(n_leaves)), []
    for number in range(n_leaves, 2 * n_leaves - 1):
        pair = [nodes.pop(rng.integers(len(nodes))) for _ in range(2)]
        children.append(pair)
        nodes.append(number)
    heights = rng.random(n_leaves - 1).cumsum()
    return ClusterTree(np.array(children, np.int64).reshape(-1, 2), heights)


def known_tree():
    merges = linkage(np.random.default_rng(0).normal(size=(30, 2)), "average")
    return ClusterTree(merges[:, :2].astype(np.int64), merges[:, 2]), merges


@pytest.mark.parametrize("n_leaves", [2, 3, 25])
@pytest.mark.parametrize("seed", range(3))
def test_cuts_are_those_of_scikit_learn_and_scipy(n_leaves, seed):
    tree = random_tree(n_leaves, seed)
    for n_clusters in range(1, n_leaves + 1):
        labels = tree.labels(n_clusters)
        assert_same_clusters(labels, _hc_cut(n_clusters, tree.children, n_leaves))
        assert_same_clusters(labels, fcluster(tree.to_scipy(), n_clusters, "maxclust"))


@pytest.mark.parametrize("n_clusters", [1, 4, 9, 12])
def test_labels_are_numbered_by_size(n_clusters):
    labels = random_tree(12).labels(n_clusters)
    sizes = np.bincount(labels)
    assert len(sizes) == n_clusters
    assert (np.diff(sizes) <= 0).all()
    firsts = np.unique(labels, return_index=True)[1]
    for size in np.unique(sizes):
        assert (np.diff(firsts[sizes == size]) > 0).all()


def test_scipy_takes_the_matrix():
    tree, merges = known_tree()
    matrix = tree.to_scipy()
    np.testing.assert_array_equal(matrix, merges)
    assert is_valid_linkage(matrix)
    assert is_monotonic(matrix)
    assert sorted(dendrogram(matrix, no_plot=True)["leaves"]) == list(range(30))


def test_heights_are_counted_below():
    tree = ClusterTree(
        np.array([[0, 1], [2, 3], [5, 6], [4, 7]]), np.array([0.0, 1.0, 1.0, 3.0])
    )
    heights = [0.0, 0.5, 1.0, 2.0, 3.0, 3.5]
    assert [tree.count_below(height) for height in heights] == [5, 4, 4, 2, 2, 1]


def test_a_height_cuts_as_scipy_does():
    tree, merges = known_tree()
    for height in np.linspace(merges[0, 2] / 2, merges[-1, 2] * 1.1, 9):
        labels = fcluster(merges, height, "distance")
        assert_same_clusters(tree.labels(tree.count_below(height)), labels)


def test_one_leaf():
    tree = ClusterTree(np.empty((0, 2), np.int64), np.empty(0))
    assert tree.n_leaves == tree.count_below(1.0) == 1
    assert tree.labels(1).tolist() == [0]
    assert tree.to_scipy().shape == (0, 4)


@pytest.mark.parametrize(
    ("n_clusters", "error", "message"),
    [
        (0, ValueError, "n_clusters must be at least 1; got 0"),
        (6, ValueError, "n_clusters=6 must not exceed the number of leaves.*, 5"),
        (2.0, TypeError, "n_clusters must be an integer; got 2.0"),
        ("auto", TypeError, "n_clusters must be an integer"),
    ],
)
def test_wrong_numbers(n_clusters, error, message):
    with pytest.raises(error, match=message):
        random_tree(5).labels(n_clusters)


def test_numbers_by_size():
    assert number_by_size(np.array([7, 3, 3, 9, 7, 3, -1])).tolist() == (
        [1, 0, 0, 2, 1, 0, 3]
    )
