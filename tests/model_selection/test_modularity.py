"""Modularity against a double loop, and the number of clusters it prefers."""

import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from sklearn_scan.model_selection import neighbor_modularity
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors


def slow_modularity(labels, indices):
    shared = [labels[i] == labels[j] for i, row in enumerate(indices) for j in row]
    # each pair of neighbours has two ends, and chance draws among all ends
    ends = [labels[e] for i, row in enumerate(indices) for j in row for e in (i, j)]
    by_chance = [first == second for first in ends for second in ends]
    return np.mean(shared) - np.mean(by_chance)


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_modularity_equals_the_slow_reference(n_clusters):
    rng = np.random.default_rng(0)
    graph = mine_neighbors(rng.normal(size=(20, 3)), 3)
    labels = rng.integers(n_clusters, size=20)
    expected = slow_modularity(labels, graph.indices)
    assert neighbor_modularity(labels, graph) == pytest.approx(expected)


def test_merged_groups_and_split_groups_score_less():
    X, labels = make_blobs(n_samples=150, centers=5, n_features=8, random_state=0)
    graph = mine_neighbors(X - X.mean(axis=0), 10)
    halves = 2 * labels + np.random.default_rng(0).integers(2, size=150)
    right = neighbor_modularity(labels, graph)
    assert neighbor_modularity(np.minimum(labels, 3), graph) < right
    assert neighbor_modularity(halves, graph) < right


def test_as_many_clusters_as_samples_need_no_matrix():
    n_samples = 10_000
    following = (np.arange(n_samples)[:, np.newaxis] + 1) % n_samples
    ring = NeighborGraph(following, np.ones((n_samples, 1), np.float32))
    tracemalloc.start()
    try:
        score = neighbor_modularity(np.arange(n_samples), ring)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert score == pytest.approx(-1 / n_samples)
    assert peak < n_samples**2 / 8


def test_clusters_drawn_by_chance_score_zero():
    rng = np.random.default_rng(0)
    graph = mine_neighbors(rng.normal(size=(500, 4)), 10)
    score = neighbor_modularity(rng.integers(4, size=500), graph)
    assert score == pytest.approx(0, abs=0.02)
