"""A graph of neighbours: drawing, and what it becomes elsewhere."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from neighbor_helpers import METRICS, groups_of_vectors, ring
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import DBSCAN, SpectralClustering
from sklearn.datasets import make_blobs
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsTransformer

from sklearn_scan.neighbors import NeighborGraph, mine_neighbors


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


def test_neighbors_agree_that_have_the_label_of_their_sample():
    indices = np.array([[1, 2], [0, 2], [0, 1]])
    graph = NeighborGraph(indices, np.ones((3, 2), np.float32))
    agreeing = graph.agreeing(np.array([4, 4, 7]))
    assert agreeing.tolist() == [[True, False], [True, False], [False, False]]


def test_a_graph_is_frozen():
    graph = ring(5, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.indices = graph.indices[::-1]


@pytest.mark.parametrize(
    ("indices", "similarities", "message"),
    [
        (np.zeros((3, 2), int), np.zeros((2, 3)), r"got \(3, 2\) and \(2, 3\)"),
        (np.zeros(3, int), np.zeros(3), r"one shape, \(n, n_neighbors\); got \(3,\)"),
        (np.zeros((3, 2)), np.zeros((3, 2)), "must be integers; got float64"),
    ],
)
def test_arrays_that_are_no_graph(indices, similarities, message):
    with pytest.raises(ValueError, match=message):
        NeighborGraph(indices, similarities)


@pytest.mark.parametrize("outside", [-2, 3, 5000])
def test_indices_beyond_the_samples_make_no_matrix(outside):
    graph = NeighborGraph(np.array([[1], [0], [outside]]), np.ones((3, 1), np.float32))
    for convert in (graph.symmetrized, graph.mutual, graph.to_scipy):
        with pytest.raises(ValueError, match="from 0 to 2, or -1 for none"):
            convert()


def test_settings_that_are_none():
    with pytest.raises(ValueError, match="n_neighbors must be 0 or more; got -1"):
        ring(5, 2).nearest(-1)
    with pytest.raises(TypeError, match="method must be a str; got NoneType"):
        NeighborGraph(ring(5, 2).indices, ring(5, 2).similarities, None)
    with pytest.raises(ValueError, match=r"metric must be one of .* got 'l2'"):
        NeighborGraph(ring(5, 2).indices, ring(5, 2).similarities, metric="l2")


def test_lists_are_no_graph():
    with pytest.raises(TypeError, match="must be NumPy arrays; got list"):
        NeighborGraph([[1], [0]], [[0.9], [0.9]])


def test_a_graph_without_neighbors():
    graph = NeighborGraph.empty(3)
    assert (graph.n_samples, graph.n_neighbors) == (3, 0)
    assert graph.indices.shape == graph.similarities.shape == (3, 0)
    assert (graph.indices.dtype, graph.similarities.dtype) == (np.int64, np.float32)
    wider = graph.spread(np.array([0, 2, 3]), 5)
    assert wider.indices.shape == wider.similarities.shape == (5, 0)
    assert graph.symmetrized().nnz == graph.mutual().nnz == 0


@pytest.mark.parametrize("metric", METRICS)
def test_parts_keep_how_they_were_found(metric):
    graph = mine_neighbors(
        groups_of_vectors(200), 5, method="ivf_flat", metric=metric, random_state=0
    )
    nearest = graph.nearest(2)
    assert_array_equal(nearest.indices, graph.indices[:, :2])
    wider = graph.spread(np.arange(200), 201)
    assert {g.method for g in (nearest, wider)} == {"ivf_flat"}
    assert {g.recall_ for g in (nearest, wider)} == {graph.recall_}
    assert {g.metric for g in (nearest, wider)} == {metric}


def test_distances_are_those_of_the_vectors():
    X = groups_of_vectors(300).astype(np.float64)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    for metric, vectors in [("cosine", unit), ("euclidean", X)]:
        graph = mine_neighbors(X, 6, metric=metric)
        apart = np.linalg.norm(vectors[:, None] - vectors[graph.indices], axis=2)
        assert_allclose(graph.distances(), apart, rtol=1e-5)
        assert graph.distances().dtype == np.float32
        gaps = graph.spread(np.arange(300), 301).distances()
        assert np.isnan(gaps[300]).all()
        assert_array_equal(gaps[:300], graph.distances())


def test_rounding_makes_no_distance_negative():
    near = np.array([[1 + 1e-6], [1 + 1e-6]], dtype=np.float32)
    assert_array_equal(NeighborGraph(np.array([[1], [0]]), near).distances(), 0)


@pytest.fixture
def graph():
    return mine_neighbors(groups_of_vectors(300), 6)


def dense(graph):
    adjacency = np.zeros((graph.n_samples, graph.n_samples))
    for sample, neighbors in enumerate(graph.indices):
        adjacency[sample, neighbors[neighbors >= 0]] = 1
    return adjacency


def test_symmetrized_and_mutual(graph):
    directed = dense(graph)
    for found, expected in [
        (graph.symmetrized(), (directed + directed.T) / 2),
        (graph.mutual(), directed * directed.T),
    ]:
        assert_array_equal(found.toarray(), expected)
        assert found.dtype == np.float32
        assert found.nnz == np.count_nonzero(expected)


def test_samples_without_neighbors_have_no_edges(graph):
    gaps = graph.spread(np.arange(10, 310), 320)
    for matrix in (gaps.symmetrized(), gaps.mutual()):
        assert not matrix.toarray()[:10].any()
        assert not matrix.toarray()[:, 310:].any()
    assert_array_equal(
        gaps.mutual().toarray()[10:310, 10:310], graph.mutual().toarray()
    )
    assert gaps.to_scipy().nnz == 300 * 7 + 20


@pytest.mark.parametrize("metric", METRICS)
def test_to_scipy_is_scikit_learns_graph(metric):
    X = groups_of_vectors(300).astype(np.float64)
    ours = mine_neighbors(X, 6, metric=metric).to_scipy()
    transformer = KNeighborsTransformer(n_neighbors=6, metric=metric)
    theirs = transformer.fit_transform(X)
    assert_array_equal(ours.indptr, theirs.indptr)
    assert_array_equal(ours.indices, theirs.indices)
    assert_allclose(ours.data, theirs.data, atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_are_edges_of_no_length(metric):
    X = np.repeat(np.eye(3), 4, axis=0)
    graph = mine_neighbors(X, 3, metric=metric).to_scipy()
    assert graph.nnz == 12 * 4
    assert_allclose(graph.data, 0, atol=1e-6)
    assert (graph.data >= 0).all()


def test_scikit_learn_takes_the_graph():
    X, y = make_blobs(300, n_features=20, centers=4, random_state=0)
    graph = mine_neighbors(X, 15, center=True).to_scipy()
    found = DBSCAN(eps=0.5, min_samples=5, metric="precomputed").fit_predict(graph)
    assert adjusted_rand_score(y, found) > 0.95
    pair = mine_neighbors(groups_of_vectors(200, n_groups=2), 60).to_scipy()
    spectral = SpectralClustering(
        2, affinity="precomputed_nearest_neighbors", n_neighbors=50, random_state=0
    )
    assert np.unique(spectral.fit_predict(pair)).tolist() == [0, 1]
    affinity = mine_neighbors(X, 15).symmetrized()
    spectral = SpectralClustering(4, affinity="precomputed", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of parts that are apart
        assert adjusted_rand_score(y, spectral.fit_predict(affinity)) > 0.95
    t_sne = TSNE(perplexity=4, metric="precomputed", init="random", random_state=0)
    assert t_sne.fit_transform(graph).shape == (300, 2)
