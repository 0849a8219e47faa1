"""The number of clusters at which to cut a tree."""

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan.model_selection import choose_cut, neighbor_modularity
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import linkage_tree


def tree_and_graph(X, n_neighbors=10):
    graph = mine_neighbors(X, n_neighbors, metric="euclidean")
    return linkage_tree(graph), graph


def test_the_number_is_that_of_the_highest_modularity():
    X, _ = make_blobs(400, 4, centers=6, cluster_std=2.0, random_state=0)
    tree, graph = tree_and_graph(X)
    curve = choose_cut(tree, graph)
    labels = [tree.labels(int(number)) for number in curve.candidates]
    expected = [neighbor_modularity(each, graph) for each in labels]
    np.testing.assert_array_equal(curve.scores, expected)
    assert curve.n_clusters == curve.candidates[np.argmax(expected)]
    assert (np.diff(curve.candidates) > 0).all()


@pytest.mark.parametrize("n_clusters", [2, 4, 9])
def test_separate_groups_are_counted(n_clusters):
    X, _ = make_blobs(400, 8, centers=n_clusters, random_state=0)
    assert choose_cut(*tree_and_graph(X)).n_clusters == n_clusters


def test_parts_are_not_merged():
    X = np.add.outer(np.arange(15), [0, 0.01, 0.02, 0.03]).reshape(-1, 1)
    curve = choose_cut(*tree_and_graph(X, 3))
    assert curve.candidates[0] == curve.n_clusters == 15


def test_more_parts_than_numbers_to_try():
    """21 samples with 20 neighbours each are a part, and 25 the fewest in mind."""
    n_parts = 30
    offsets = 21 * np.arange(n_parts).repeat(21)[:, np.newaxis]
    steps = (np.arange(21)[:, np.newaxis] + np.arange(1, 21)) % 21
    indices = offsets + np.tile(steps, (n_parts, 1))
    graph = NeighborGraph(indices, np.ones(indices.shape, np.float32))
    assert choose_cut(linkage_tree(graph), graph).n_clusters == n_parts


def test_noise_is_told():
    X = np.random.default_rng(0).normal(size=(600, 40))
    with pytest.warns(ConvergenceWarning, match="No number of clusters stands out"):
        choose_cut(*tree_and_graph(X, 20))


def test_errors():
    tree, graph = tree_and_graph(np.random.default_rng(0).normal(size=(19, 2)), 5)
    with pytest.raises(ValueError, match="20 samples or more; got n_samples=19"):
        choose_cut(tree, graph)
    _, other = tree_and_graph(np.random.default_rng(0).normal(size=(30, 2)), 5)
    with pytest.raises(ValueError, match="of the 19 leaves of the tree; got 30"):
        choose_cut(tree, other)
