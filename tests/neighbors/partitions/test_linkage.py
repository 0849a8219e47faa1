"""Graph degree linkage, against a reference that sums over all pairs in each step."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from partition_helpers import assert_same_clusters, ring_of_blobs
from scipy.sparse import csr_array

from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import (
    Merge,
    Pairs,
    degree_weights,
    first_clusters,
    linkage_tree,
    merge_by_degree,
    tree_of_merges,
)


def random_graph(n_samples=40, n_neighbors=4, seed=0, metric="euclidean"):
    X = np.random.default_rng(seed).normal(size=(n_samples, 3))
    return mine_neighbors(X, n_neighbors, metric=metric)


def graph_of(rows, similarity=0.5):
    indices = np.array(rows)
    return NeighborGraph(indices, np.full(indices.shape, similarity, np.float32))


def slow_weights(graph, bandwidth=1.0):
    distances = graph.distances().astype(float)
    near = [row[:7].max() for row in distances]  # of the seventh neighbour
    mean = np.mean(distances**2)
    weights = np.zeros((graph.n_samples, graph.n_samples))
    for i, row in enumerate(graph.indices):
        for j, distance in zip(row, distances[i], strict=True):
            scale = bandwidth * max(mean, near[i] * near[j])
            weights[i, j] += np.exp(-(distance**2) / scale) / 2
            weights[j, i] += np.exp(-(distance**2) / scale) / 2
    return weights


def replay(labels, merges):
    labels = labels.copy()
    for number, (first, second, _) in enumerate(merges, start=labels.max() + 1):
        labels[(labels == first) | (labels == second)] = number
    return labels


def slow_affinity(weights, a, b):
    paths = 0.0
    for one, other in ((a, b), (b, a)):
        for i in other:
            paths += sum(weights[i, j] for j in one) ** 2 / len(one) ** 2
    return paths


def slow_merges(weights, labels, n_clusters=1):
    members = {a: np.flatnonzero(labels == a) for a in np.unique(labels)}
    merges, number = [], len(members)
    while len(members) > n_clusters:
        found = {
            pair: slow_affinity(weights, members[pair[0]], members[pair[1]])
            for pair in combinations(members, 2)
        }
        first, second = max(found, key=found.get)
        if found[first, second] == 0:
            break
        merges.append(Merge(first, second, found[first, second]))
        members[number] = np.concatenate([members.pop(first), members.pop(second)])
        number += 1
    return merges


def assert_equal_merges(found, expected):
    assert [set(merge[:2]) for merge in found] == [set(m[:2]) for m in expected]
    affinities = [[merge.affinity for merge in merges] for merges in (found, expected)]
    np.testing.assert_allclose(*affinities, rtol=1e-9)


# -- Weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_weights_equal_the_slow_reference(metric):
    graph = random_graph(metric=metric)
    weights = degree_weights(graph)
    np.testing.assert_allclose(weights.toarray(), slow_weights(graph), rtol=1e-6)
    assert weights.dtype == np.float64
    narrow = degree_weights(graph, bandwidth=0.25).toarray()
    np.testing.assert_allclose(narrow, slow_weights(graph, 0.25), rtol=1e-6)


def test_pairs_count_as_neighbours_of_each_other():
    graph = NeighborGraph(
        np.array([[1], [0], [3], [2]]),
        np.array([[-1], [-1], [-2], [-2]], np.float32),
        metric="euclidean",
    )
    pairs = Pairs(np.array([1]), np.array([2]), np.array([3.0]))
    weights = degree_weights(graph, pairs).toarray()
    mean = (1 + 4) / 2  # more than the product of the distances of 1 and 2
    assert weights[1, 2] == weights[2, 1] == pytest.approx(np.exp(-9 / mean))
    assert weights[0, 1] == pytest.approx(np.exp(-1 / mean))
    assert weights[2, 3] == pytest.approx(np.exp(-4 / (2 * 2)))
    assert np.count_nonzero(weights) == 6


@pytest.mark.parametrize("similarity", [1.0, 0.5, -1.0])
def test_equal_similarities_give_equal_weights(similarity):
    weights = degree_weights(graph_of([[1], [2], [3], [0]], similarity))
    assert (weights.data == weights.data[0]).all()
    assert weights.data[0] > 0


def test_of_duplicates_any_distance_is_far_and_still_a_link():
    duplicates = graph_of([[1], [0], [3], [2]], 1.0)
    pairs = Pairs(np.array([0]), np.array([2]), np.array([1e30]))
    weights = degree_weights(duplicates, pairs)
    assert weights[0, 1] == 1
    assert 0 < weights[0, 2] ** 2 < 1e-100


def test_samples_without_neighbours_have_no_weights():
    graph = graph_of([[1, 2], [0, 2], [0, 1]]).spread(np.array([0, 2, 3]), 5)
    weights = degree_weights(graph).toarray()
    assert not weights[[1, 4]].any()
    assert np.count_nonzero(weights) == 6


# -- Merging ---------------------------------------------------------------------------


@pytest.mark.parametrize("n_clusters", [1, 4])
@pytest.mark.parametrize("n_neighbors", [1, 3, 8])
@pytest.mark.parametrize("seed", range(3))
def test_merges_equal_the_slow_reference(seed, n_neighbors, n_clusters):
    graph = random_graph(30, n_neighbors, seed)
    weights = degree_weights(graph)
    for labels in (first_clusters(graph), np.arange(30), np.arange(30) % 7):
        found = merge_by_degree(weights, labels)[: labels.max() + 1 - n_clusters]
        assert_equal_merges(found, slow_merges(weights.toarray(), labels, n_clusters))


@pytest.mark.parametrize("seed", range(5))
def test_of_equal_affinities_any_is_the_highest(seed):
    """Weights of few values: each merge is of the highest affinity there is."""
    rng = np.random.default_rng(seed)
    dense = np.triu(rng.integers(0, 3, size=(16, 16)) * (rng.random((16, 16)) < 0.3), 1)
    dense = (dense + dense.T) / 2
    members = {a: np.array([a]) for a in range(16)}
    merges = merge_by_degree(csr_array(dense), np.arange(16))
    for number, (first, second, affinity) in enumerate(merges, start=16):
        highest = max(
            slow_affinity(dense, members[a], members[b])
            for a, b in combinations(members, 2)
        )
        own = slow_affinity(dense, members[first], members[second])
        assert affinity == pytest.approx(own) == pytest.approx(highest)
        pair = members.pop(first), members.pop(second)
        members[number] = np.concatenate(pair)
    labels = np.empty(16, int)
    for number, samples in enumerate(members.values()):
        labels[samples] = number
    assert not dense[labels[:, np.newaxis] != labels].any()


def test_start_labels_are_left_as_they_were():
    graph = random_graph()
    labels = first_clusters(graph)
    before = labels.copy()
    merge_by_degree(degree_weights(graph), labels)
    np.testing.assert_array_equal(labels, before)


def test_nothing_is_merged_that_nothing_links():
    two = degree_weights(graph_of([[1], [0], [3], [2]]))
    assert len(merge_by_degree(two, np.arange(4))) == 2


# -- First clusters and labels ---------------------------------------------------------


def test_first_clusters_are_chains_of_nearest_neighbours():
    graph = graph_of([[1, 5], [2, 0], [1, 0], [4, 0], [3, 5], [3, 1]])
    assert first_clusters(graph).tolist() == [0, 0, 0, 1, 1, 1]
    larger_second = graph_of([[1], [0], [3], [4], [3]])
    assert first_clusters(larger_second).tolist() == [1, 1, 0, 0, 0]


# -- The tree --------------------------------------------------------------------------


def test_heights_never_fall():
    """A merge may raise the affinity of two clusters above its own."""
    merges = [Merge(0, 1, 1.0), Merge(2, 4, 4.0), Merge(3, 5, 0.5)]
    tree = tree_of_merges(4, merges)
    np.testing.assert_allclose(tree.distances, np.log([2, 2, 3]))
    assert tree.children.tolist() == [[0, 1], [2, 4], [3, 5]]


def test_clusters_that_nothing_links_are_merged_at_the_end():
    tree = tree_of_merges(5, [Merge(1, 3, 1e-200), Merge(0, 4, 1e-201)])
    assert tree.children.tolist() == [[1, 3], [0, 4], [2, 5], [7, 6]]
    assert (np.diff(tree.distances) >= 0).all()
    assert_same_clusters(tree.labels(3), [0, 1, 2, 1, 0])


@pytest.mark.parametrize("n_clusters", [1, 2])
def test_trees_of_clusters_without_merges(n_clusters):
    tree = tree_of_merges(n_clusters, [])
    assert tree.n_leaves == n_clusters
    assert tree.children.shape == (n_clusters - 1, 2)


@pytest.mark.parametrize("n_neighbors", [2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_whole_tree_has_the_clusters_of_all_numbers(seed, n_neighbors):
    graph = random_graph(60, n_neighbors, seed)
    start, tree = first_clusters(graph), linkage_tree(graph)
    weights, n_first = degree_weights(graph), int(start.max()) + 1
    assert tree.n_leaves == 60
    assert (np.diff(tree.distances) >= 0).all()
    assert np.count_nonzero(tree.distances == 0) == 60 - n_first
    for n_clusters in range(1, n_first + 1):
        merges = merge_by_degree(weights, start)[: n_first - n_clusters]
        if len(merges) == n_first - n_clusters:  # neighbours link them
            assert_same_clusters(tree.labels(n_clusters), replay(start, merges))


def test_below_the_first_clusters_the_nearest_are_merged_first():
    graph = mine_neighbors(
        np.array([[0.0], [3], [10], [11], [20], [22]]), 1, metric="euclidean"
    )
    tree = linkage_tree(graph)
    assert_same_clusters(tree.labels(5), [0, 1, 2, 2, 3, 4])
    assert_same_clusters(tree.labels(4), [0, 1, 2, 2, 3, 3])
    assert_same_clusters(tree.labels(3), [0, 0, 1, 1, 2, 2])


def test_blobs_are_found():
    X, _, y = ring_of_blobs(n_neighbors=10)
    tree = linkage_tree(mine_neighbors(X, 10, metric="euclidean"))
    assert_same_clusters(tree.labels(4), y)


def test_equal_graphs_give_equal_trees():
    first, second = (linkage_tree(random_graph(200, 5)) for _ in range(2))
    np.testing.assert_array_equal(first.children, second.children)
    np.testing.assert_array_equal(first.distances, second.distances)


def test_numbers_of_samples_have_no_meaning():
    X = np.random.default_rng(0).normal(size=(80, 3))
    order = np.random.default_rng(1).permutation(80)
    plain, moved = (
        linkage_tree(mine_neighbors(rows, 5, metric="euclidean"))
        for rows in (X, X[order])
    )
    np.testing.assert_allclose(plain.distances, moved.distances, rtol=1e-6)
    for n_clusters in (2, 5, 12):
        assert_same_clusters(plain.labels(n_clusters)[order], moved.labels(n_clusters))


def test_the_memory_is_that_of_the_graph():
    n_samples, steps = 20_000, np.array([1, 2, 4])
    parts = np.arange(n_samples)[:, np.newaxis] // 10 * 10
    indices = parts + (np.arange(n_samples)[:, np.newaxis] + steps) % 10
    graph = graph_of(indices)
    tracemalloc.start()
    try:
        tree = linkage_tree(graph)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (np.bincount(tree.labels(2_000)) == 10).all()
    assert peak < n_samples**2 / 8  # bytes, with a bit for each pair
