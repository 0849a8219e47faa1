"""The parts of a graph, and pairs that join them: a spanning tree by brute force."""

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from scipy.spatial.distance import cdist

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions import find_parts, joining_pairs


def random_parts(n_parts, n_samples=60, seed=0):
    """Return rows of 1/4 steps, many equally far apart, and the part of each."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_samples) % n_parts)
    rows = np.round(4 * rng.normal(size=(n_samples, 3)) + y[:, np.newaxis]) / 4
    return rows.astype(np.float32), y


def shortest_tree(rows, y):
    """Return the length of the minimum spanning tree of parts, by all distances."""
    apart = cdist(rows.astype(float), rows.astype(float))
    n_parts = y.max() + 1
    between = np.zeros((n_parts, n_parts))
    for a in range(n_parts):
        for b in range(n_parts):
            between[a, b] = apart[np.ix_(y == a, y == b)].min() + 1  # 0: no edge
    np.fill_diagonal(between, 0)
    return minimum_spanning_tree(between).sum() - (n_parts - 1)


def join(rows, y):
    return joining_pairs(y, torch.from_numpy(rows))


def assert_joined(pairs, y):
    """Check that the pairs join all parts, and none twice."""
    n_parts = y.max() + 1
    assert len(pairs.first) == n_parts - 1
    joined = np.zeros((n_parts, n_parts))
    joined[y[pairs.first], y[pairs.second]] = 1
    assert connected_components(joined, directed=False)[0] == 1


def graph_of(rows):
    indices = np.array(rows)
    return NeighborGraph(indices, np.ones(indices.shape, np.float32))


def test_parts_are_those_that_links_in_any_direction_connect():
    graph = graph_of([[1], [2], [1], [4], [3], [3]])
    assert find_parts(graph).tolist() == [0, 0, 0, 1, 1, 1]
    assert find_parts(graph).dtype == np.int64


def test_samples_without_neighbours_are_parts():
    assert find_parts(graph_of([[1], [0], [-1], [-1]])).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize("block", [None, 100])
@pytest.mark.parametrize("n_parts", [2, 3, 8, 60])
@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_a_minimum_spanning_tree(seed, n_parts, block, monkeypatch):
    if block:
        monkeypatch.setattr(
            "sklearn_scan.neighbors.partitions._parts._DISTANCES", block
        )
    rows, y = random_parts(n_parts, seed=seed)
    pairs = join(rows, y)
    assert_joined(pairs, y)
    apart = np.linalg.norm(rows[pairs.first] - rows[pairs.second], axis=1)
    np.testing.assert_allclose(pairs.distances, apart, rtol=1e-6)
    assert pairs.distances.sum() == pytest.approx(shortest_tree(rows, y))


def test_a_pair_that_is_nearest_for_both_parts_comes_once():
    rows = np.array([[0.0], [1], [10], [11], [12]], np.float32)
    pairs = join(rows, np.array([0, 1, 2, 2, 2]))
    assert sorted(pairs.distances.tolist()) == [1, 9]


def test_equal_distances_make_no_circle():
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    y = np.arange(4)
    pairs = join(corners, y)
    assert_joined(pairs, y)
    assert pairs.distances.tolist() == [1, 1, 1]


def test_duplicates_in_several_parts():
    rows, y = np.ones((12, 2), np.float32), np.arange(12) % 4
    pairs = join(rows, y)
    assert_joined(pairs, y)
    assert pairs.distances.tolist() == [0, 0, 0]


def test_one_part_needs_no_pairs():
    pairs = join(np.eye(3, dtype=np.float32), np.zeros(3, np.int64))
    assert [len(each) for each in pairs] == [0, 0, 0]


@pytest.mark.parametrize("scale", [1e-30, 1e-10, 1e10, 1e30])
def test_scales_whose_squares_no_float_holds(scale):
    rows, y = random_parts(4)
    pairs = join(rows * np.float32(scale), y)
    assert_joined(pairs, y)
    expected = shortest_tree(rows, y) * scale
    assert pairs.distances.sum() == pytest.approx(expected, rel=1e-5)


def test_near_parts_far_from_the_origin():
    steps = np.array([0, 0.25, 1, 2, 2.5], np.float32)[:, np.newaxis]
    pairs = join(1e5 + steps, np.array([0, 0, 1, 2, 2]))
    assert sorted(pairs.distances.tolist()) == [0.75, 1]


def test_parts_are_left_as_they_were():
    rows, y = random_parts(5)
    before = y.copy()
    join(rows, y)
    np.testing.assert_array_equal(y, before)
