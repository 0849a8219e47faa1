"""Spectral clustering: what its vectors are, and where graphs are odd."""

import numpy as np
import pytest
from partition_helpers import random_state, ring_of_blobs

from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import (
    spectral_partition,
    spectral_vectors,
    unit_rows,
)

MODULE = "sklearn_scan.neighbors.partitions._spectral"


def slow_adjacency(graph):
    n_samples = len(graph.indices)
    adjacency = np.zeros((n_samples, n_samples))
    for i, neighbors in enumerate(graph.indices):
        for j in neighbors:
            adjacency[i, j] += 0.5
            adjacency[j, i] += 0.5
    degrees = adjacency.sum(axis=1)
    return adjacency / np.sqrt(np.outer(degrees, degrees))


def connected_graph():
    X = np.random.default_rng(0).normal(size=(200, 3))
    return mine_neighbors(X, 10)


def cut_into(n_parts, n_each=8):
    """Return the graph of cliques between which there is no edge."""
    X = np.repeat(np.eye(n_parts), n_each, axis=0)
    return mine_neighbors(X, 3), np.repeat(np.arange(n_parts), n_each)


def test_vectors_are_those_of_the_largest_eigenvalues():
    graph = connected_graph()
    adjacency = slow_adjacency(graph)
    values, _ = np.linalg.eigh(adjacency)
    vectors = spectral_vectors(graph, 6, random_state())
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(6), atol=1e-10)
    expected = vectors * values[::-1][:6]
    np.testing.assert_allclose(adjacency @ vectors, expected, atol=1e-10)


def test_the_search_finds_what_all_vectors_at_once_are(monkeypatch):
    graph = connected_graph()
    dense = spectral_vectors(graph, 6, random_state())
    monkeypatch.setattr(f"{MODULE}._DENSE", 0)
    searched = spectral_vectors(graph, 6, random_state())
    # each up to its sign: the eigenvalues here are all apart
    overlap = np.abs(dense.T @ searched)
    np.testing.assert_allclose(overlap, np.eye(6), atol=1e-2)


def test_a_search_cut_short_keeps_what_it_found(monkeypatch):
    monkeypatch.setattr(f"{MODULE}._DENSE", 0)
    monkeypatch.setattr(f"{MODULE}._MOST_STEPS", 1)
    monkeypatch.setattr(f"{MODULE}._TOLERANCE", 1e-12)
    vectors = spectral_vectors(connected_graph(), 20, random_state())
    assert vectors.shape == (200, 20)
    assert np.isfinite(vectors).all()


@pytest.mark.parametrize("searched", [False, True])
def test_separate_blobs_are_found(searched, monkeypatch):
    if searched:
        monkeypatch.setattr(f"{MODULE}._DENSE", 0)
    _, graph, y = ring_of_blobs(n_neighbors=12)
    labels = spectral_partition(graph, 4, random_state())
    assert labels.dtype == np.int64
    assert clustering_accuracy(y, labels) == 1


@pytest.mark.parametrize("searched", [False, True])
def test_parts_without_an_edge_between_them_are_clusters(searched, monkeypatch):
    if searched:
        monkeypatch.setattr(f"{MODULE}._DENSE", 0)
    graph, y = cut_into(6, n_each=12)
    labels = spectral_partition(graph, 6, random_state())
    assert clustering_accuracy(y, labels) == 1


def test_more_parts_than_clusters():
    graph, _ = cut_into(6)
    labels = spectral_partition(graph, 3, random_state())
    assert set(labels) <= {0, 1, 2}


def test_equal_seeds_give_equal_partitions(monkeypatch):
    monkeypatch.setattr(f"{MODULE}._DENSE", 0)
    graph = connected_graph()
    first, again = (spectral_partition(graph, 7, random_state(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("n_samples", [2, 3, 7, 19])
def test_as_many_clusters_as_samples_and_one(n_samples):
    X = np.random.default_rng(0).normal(size=(n_samples, 4))
    graph = mine_neighbors(X, 1)
    assert not spectral_partition(graph, 1, random_state()).any()
    labels = spectral_partition(graph, n_samples, random_state())
    assert labels.shape == (n_samples,)
    assert labels.max() < n_samples


def test_two_samples():
    pair = NeighborGraph(np.array([[1], [0]]), np.ones((2, 1), np.float32))
    assert spectral_partition(pair, 1, random_state()).tolist() == [0, 0]


def test_rows_of_unit_length_or_none():
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -2.0]]))
    np.testing.assert_array_equal(rows, [[0.6, 0.8], [0, 0], [0, -1]])
