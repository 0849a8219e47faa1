"""Neighbours against scikit-learn's, in every format, and on the edges."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

from sklearn_scan.neighbors import NeighborGraph, mine_neighbors


def random_features(n_samples=60, n_features=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features))


def assert_nobody_is_their_own_neighbor(graph):
    itself = np.arange(len(graph.indices))[:, None]
    assert not (graph.indices == itself).any()


@pytest.mark.parametrize(
    ("n_samples", "n_neighbors"), [(60, 1), (60, 7), (60, 59), (2, 1), (500, 20)]
)
@pytest.mark.parametrize("method", ["auto", "exact"])
def test_neighbors_are_scikit_learns(n_samples, n_neighbors, method):
    X = random_features(n_samples)
    graph = mine_neighbors(X, n_neighbors, method=method)
    search = NearestNeighbors(metric="cosine", algorithm="brute").fit(X)
    distances, indices = search.kneighbors(n_neighbors=n_neighbors)
    assert graph.n_neighbors == n_neighbors
    assert_array_equal(graph.indices, indices)
    assert_allclose(graph.similarities, 1 - distances, atol=1e-6)
    assert_nobody_is_their_own_neighbor(graph)


def test_types_are_as_documented():
    graph = mine_neighbors(random_features(), 3)
    assert graph.indices.dtype == np.int64
    assert graph.similarities.dtype == np.float32


def test_length_does_not_matter():
    X = random_features()
    scale = np.geomspace(1e-6, 1e6, len(X))[:, None]
    assert_array_equal(
        mine_neighbors(X, 5).indices, mine_neighbors(scale * X, 5).indices
    )


@pytest.mark.parametrize("n_neighbors", [1, 5, 11])
def test_duplicates_are_neighbors_but_not_of_themselves(n_neighbors):
    X = np.repeat(random_features(3), 12, axis=0)
    graph = mine_neighbors(X, n_neighbors)
    assert_nobody_is_their_own_neighbor(graph)
    assert (graph.indices // 12 == np.arange(36)[:, None] // 12).all()
    assert all(len(set(row)) == n_neighbors for row in graph.indices.tolist())


def test_a_row_of_zeros_is_equally_unlike_all_others():
    X = random_features()
    X[[3, 8]] = 0
    graph = mine_neighbors(X, 59)
    assert_nobody_is_their_own_neighbor(graph)
    assert not graph.similarities[[3, 8]].any()
    true = cosine_similarity(X)
    assert_allclose(
        graph.similarities, np.take_along_axis(true, graph.indices, 1), atol=1e-6
    )


def read_only(X):
    X = X.astype(np.float32)
    X.flags.writeable = False
    return X


@pytest.mark.parametrize(
    "convert",
    [
        np.float16,
        np.float32,
        np.float64,
        np.asfortranarray,
        read_only,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: X[::-1].copy()[::-1],
        lambda X: X.astype(">f4"),
        torch.from_numpy,
        lambda X: torch.from_numpy(X).half(),
        lambda X: torch.from_numpy(X.T.copy()).T,
        lambda X: torch.from_numpy(X.astype(np.float32)).requires_grad_(),
    ],
)
def test_any_format_is_read_and_left_unchanged(convert):
    X = random_features().astype(np.float16).astype(np.float64)
    given = convert(X)
    before = given.clone() if isinstance(given, torch.Tensor) else given.copy()
    graph, expected = mine_neighbors(given, 5), mine_neighbors(X.copy(), 5)
    assert_array_equal(graph.indices, expected.indices)
    assert_array_equal(graph.similarities, expected.similarities)
    assert (given == before).all()


@pytest.mark.parametrize("n_rows", [1, 3, 7, 59, 60])
def test_blocks_of_rows_make_no_difference(monkeypatch, n_rows):
    X = random_features()
    whole = mine_neighbors(X, 5)
    monkeypatch.setattr("sklearn_scan.neighbors._BLOCK_ELEMENTS", 60 * n_rows + 1)
    blocks = mine_neighbors(X, 5)
    assert_array_equal(blocks.indices, whole.indices)
    assert_allclose(blocks.similarities, whole.similarities, atol=1e-6)


def test_a_block_holds_one_row_at_least(monkeypatch):
    X = random_features()
    whole = mine_neighbors(X, 5)
    monkeypatch.setattr("sklearn_scan.neighbors._BLOCK_ELEMENTS", 1)
    assert_array_equal(mine_neighbors(X, 5).indices, whole.indices)


def ring(n_samples, n_neighbors):
    """Return a graph in which everyone's neighbours are the next ones."""
    steps = np.arange(1, n_neighbors + 1)
    indices = (np.arange(n_samples)[:, None] + steps) % n_samples
    indices.flags.writeable = False  # as when it was loaded as a memory map
    return NeighborGraph(indices, np.ones(indices.shape, dtype=np.float32))


def draw(graph, seed=0):
    return graph.sample(torch.Generator().manual_seed(seed))


def test_sample_draws_neighbors_uniformly():
    n_samples, n_neighbors = 8000, 4
    drawn = draw(ring(n_samples, n_neighbors)).numpy()
    steps = (drawn - np.arange(n_samples)) % n_samples
    counts = np.bincount(steps, minlength=n_neighbors + 1)
    assert counts[0] == 0
    # 2,000 each, within five standard deviations of 39
    assert_allclose(counts[1:], n_samples / n_neighbors, atol=195)
    assert counts.sum() == counts[: n_neighbors + 1].sum()


def test_sample_is_drawn_by_its_generator_only():
    graph = ring(50, 5)
    before = torch.get_rng_state()
    assert torch.equal(draw(graph, 1), draw(graph, 1))
    assert not torch.equal(draw(graph, 1), draw(graph, 2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("X", "settings", "error", "message"),
    [
        (np.ones(5), {}, ValueError, r"shape \(n, d\); got shape \(5,\)"),
        (np.ones((5, 2, 2)), {}, ValueError, r"shape \(n, d\); got shape \(5, 2, 2\)"),
        (np.ones((5, 2)), {"n_neighbors": 5}, ValueError, "below .* samples, 5; got 5"),
        (np.ones((5, 2)), {}, ValueError, "below .* samples, 5; got 20"),
        (np.ones((5, 2)), {"n_neighbors": 0}, ValueError, "n_neighbors"),
        (np.ones((5, 2)), {"n_neighbors": 2.5}, TypeError, "n_neighbors"),
        (np.ones((5, 2)), {"n_neighbors": True}, TypeError, "n_neighbors"),
        ([[0.0], [np.nan]], {"n_neighbors": 1}, ValueError, "must be finite"),
        ([[0.0], [np.inf]], {"n_neighbors": 1}, ValueError, "must be finite"),
        (np.ones((5, 2)), {"method": "exat"}, ValueError, "Did you mean 'exact'"),
        (np.ones((5, 2)), {"n_neighbors": 1, "device": "gpu"}, ValueError, "device"),
    ],
)
def test_errors_name_the_parameter(X, settings, error, message):
    with pytest.raises(error, match=message):
        mine_neighbors(X, **settings)


def test_a_graph_without_neighbors():
    graph = NeighborGraph.empty(3)
    assert graph.n_neighbors == 0
    assert graph.indices.shape == graph.similarities.shape == (3, 0)
    assert (graph.indices.dtype, graph.similarities.dtype) == (np.int64, np.float32)
    wider = graph.spread(np.array([0, 2, 3]), 5)
    assert wider.indices.shape == wider.similarities.shape == (5, 0)
