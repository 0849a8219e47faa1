"""Several partitions: that they differ, and hold on odd features."""

import numpy as np
import pytest
from partition_helpers import random_state, ring_of_blobs
from sklearn.datasets import load_digits

from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.neighbors.partitions import several_partitions


def partitions_of(X, n_clusters, n_partitions=14, n_neighbors=3, seed=0):
    X = X - X.mean(axis=0)
    graph = mine_neighbors(X, min(n_neighbors, len(X) - 1))
    return several_partitions(X, graph, n_clusters, n_partitions, random_state(seed))


def test_all_find_separate_blobs():
    X, graph, y = ring_of_blobs(n_each=40, n_neighbors=24)
    found = several_partitions(X, graph, 4, 7, random_state())
    assert [clustering_accuracy(y, labels) for labels in found] == [1] * 7


def test_all_differ_on_what_is_not_separate():
    X = load_digits().data[:500]
    found = partitions_of(X, 10, n_partitions=12, n_neighbors=10)
    together = np.array([(labels[:, None] == labels).ravel() for labels in found])
    assert len(np.unique(together, axis=0)) >= 11  # one may be found by two ways


def test_equal_seeds_give_equal_partitions_and_others_do_not():
    X = load_digits().data[:300]
    first, again, other = (
        np.stack(partitions_of(X, 10, seed=seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("n_partitions", [1, 2, 3, 9])
def test_so_many_are_made(n_partitions):
    X, graph, _ = ring_of_blobs()
    found = several_partitions(X, graph, 4, n_partitions, random_state())
    assert len(found) == n_partitions


def test_one_cluster_is_all_samples():
    X, graph, _ = ring_of_blobs()
    found = several_partitions(X, graph, 1, 3, random_state())
    assert [labels.tolist() for labels in found] == [[0] * len(X)] * 3


DISTINCT = np.random.default_rng(0).normal(size=(20, 4))


@pytest.mark.parametrize("n_clusters", [2, 5, 19])
@pytest.mark.parametrize(
    "X",
    [
        np.ones((19, 4)),
        np.repeat(DISTINCT[:2], 30, axis=0),
        np.repeat(DISTINCT[:1], [60], axis=0),
        np.r_[np.zeros((99, 4)), np.ones((1, 4))],
        DISTINCT[:19],
    ],
    ids=["constant", "two", "one", "odd one", "few"],
)
def test_odd_features_are_parted_too(X, n_clusters):
    for labels in partitions_of(X, n_clusters):
        assert labels.shape == (len(X),)
        assert labels.min() >= 0
        assert labels.max() < n_clusters


@pytest.mark.parametrize("n_samples", [2, 3, 19])
def test_a_cluster_for_each_sample(n_samples):
    for labels in partitions_of(DISTINCT[:n_samples], n_samples):
        assert 0 <= labels.min() <= labels.max() < n_samples
