"""Several partitions: their names, that they differ, and odd features."""

import numpy as np
import pytest
from partition_helpers import random_state, ring_of_blobs
from sklearn.datasets import load_digits, make_blobs

from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import (
    better_partitions,
    join_partitions,
    plain_partitions,
)


def several_partitions(X, graphs, n_clusters, rng):
    groups = plain_partitions(X, graphs, n_clusters, rng)
    better = better_partitions(groups, X, n_clusters, rng)
    return join_partitions([*groups.values(), better])


def partitions_of(X, n_clusters, n_neighbors=3, seed=0):
    X = X - X.mean(axis=0)
    graph = mine_neighbors(X, min(n_neighbors, len(X) - 1))
    return several_partitions(X, {"near": graph}, n_clusters, random_state(seed))


def assert_partitions(found, n_samples, n_clusters):
    for labels in found.values():
        assert labels.shape == (n_samples,)
        assert labels.dtype == np.int64
        assert 0 <= labels.min() <= labels.max() < n_clusters


def test_most_find_separate_blobs():
    X, graph, y = ring_of_blobs(n_each=40, n_neighbors=24)
    found = several_partitions(X, {"near": graph}, 4, random_state())
    # of 5 neighbours, a blob falls apart
    accuracies = {
        name: clustering_accuracy(y, labels)
        for name, labels in found.items()
        if ", 5 near" not in name
    }
    assert accuracies == dict.fromkeys(accuracies, 1)


def test_each_method_is_on_each_graph_and_refined():
    X, graph, _ = ring_of_blobs(n_each=40, n_neighbors=24)
    found = several_partitions(X, {"a": graph, "b": graph}, 4, random_state())
    names = ["k-means", "Ward"]
    for graph_name in "ab":
        names += [f"consensus of {graph_name}", f"merging, 20 {graph_name}"]
        for number in (5, 10, 20):
            names += [
                f"{method}, {number} {graph_name}"
                for method in ("spectral", "linkage 1.0", "linkage 0.25")
            ]
    names += ["consensus"]
    assert set(found) == {*names, *(f"{name}, refined" for name in names)}


def test_of_few_neighbors_all_are_taken_once():
    found = partitions_of(load_digits().data[:100], 5, n_neighbors=7)
    spectral = [name for name in found if name.startswith("spectral")]
    assert set(spectral) == {
        f"spectral, {number} near{refined}"
        for number in (5, 7)
        for refined in ("", ", refined")
    }


def test_all_differ_on_what_is_not_separate():
    found = partitions_of(load_digits().data[:400], 10, n_neighbors=10)
    together = [(each[:, None] == each).ravel() for each in found.values()]
    # some may be found by two ways
    assert len({each.tobytes() for each in together}) > 0.8 * len(found)
    for name, labels in found.items():
        assert np.unique(labels).size == 10, name


def test_equal_seeds_give_equal_partitions_and_others_do_not():
    X = load_digits().data[:200]
    first, again, other = (partitions_of(X, 10, seed=seed) for seed in (0, 0, 1))
    assert first.keys() == again.keys() == other.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    assert any((first[name] != other[name]).any() for name in first)


def test_one_cluster_is_all_samples():
    X, graph, _ = ring_of_blobs()
    found = several_partitions(X, {"near": graph}, 1, random_state())
    assert {name: each.tolist() for name, each in found.items()} == {
        "all samples": [0] * len(X)
    }


@pytest.mark.parametrize("n_neighbors", [1, 2])
@pytest.mark.parametrize("n_clusters", [2, 5, 30])
def test_few_neighbors_in_many_parts(n_clusters, n_neighbors):
    X, y = make_blobs(120, 3, centers=12, cluster_std=0.1, random_state=0)
    found = partitions_of(X, n_clusters, n_neighbors)
    assert_partitions(found, 120, n_clusters)


def test_fewer_clusters_than_parts_of_the_graph():
    """Forty pairs, each the other's only neighbour."""
    X, _ = make_blobs(80, 3, random_state=0)
    pairs = np.arange(80)[:, np.newaxis] ^ 1
    graph = NeighborGraph(pairs, np.ones((80, 1), np.float32))
    found = several_partitions(X - X.mean(axis=0), {"pairs": graph}, 3, random_state())
    assert_partitions(found, 80, 3)


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
        DISTINCT[:, :1],
        np.c_[DISTINCT, np.ones((20, 3))],
    ],
    ids=["constant", "two", "one", "odd one", "few", "one feature", "constant columns"],
)
def test_odd_features_are_parted_too(X, n_clusters):
    assert_partitions(partitions_of(X, n_clusters), len(X), n_clusters)


@pytest.mark.parametrize("n_samples", [2, 3, 19])
def test_a_cluster_for_each_sample(n_samples):
    found = partitions_of(DISTINCT[:n_samples], n_samples)
    assert_partitions(found, n_samples, n_samples)
