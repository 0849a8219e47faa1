"""Neighbours given to `fit` in the containers of scikit-learn."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_blobs
from sklearn.neighbors import NearestNeighbors, kneighbors_graph, radius_neighbors_graph

from sklearn_scan import GraphDegreeLinkage, SCANClusterer
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors

N, K = 60, 5


@pytest.fixture(scope="module")
def X():
    rows, _ = make_blobs(N, 8, centers=3, random_state=0)
    return rows.astype(np.float32)


def fit(X, neighbors, **settings):
    settings = {"n_neighbors": 20, "n_heads": 1, "max_epochs": 2} | settings
    clusterer = SCANClusterer(3, self_label_epochs=1, random_state=0, **settings)
    return clusterer.fit(X, neighbors=neighbors)


@pytest.fixture(scope="module")
def mined(X):
    """Return the same neighbours as a graph, by cosines about the mean."""
    return mine_neighbors(X, K, center=True)


CONTAINERS = {
    "array": lambda indices: indices,
    "int32": lambda indices: indices.astype(np.int32),
    "unsigned": lambda indices: indices.astype(np.uint16),
    "list": lambda indices: indices.tolist(),
    "tensor": torch.from_numpy,
    "with itself": lambda indices: np.hstack([np.arange(N)[:, None], indices]),
    "csr_array": lambda indices: ones(indices, sparse.csr_array),
    "csr_matrix": lambda indices: ones(indices, sparse.csr_matrix),
    "coo_array": lambda indices: ones(indices, sparse.coo_array),
    "bool": lambda indices: ones(indices, sparse.csr_array).astype(bool),
    "sparse with itself": lambda indices: (
        ones(indices, sparse.csr_array) + sparse.eye_array(N)
    ),
}


def ones(indices, container):
    rows = np.repeat(np.arange(N), K)
    return container((np.ones(N * K), (rows, indices.ravel())), shape=(N, N))


@pytest.mark.parametrize("name", CONTAINERS)
def test_neighbors_in_any_container_are_those_of_the_graph(X, mined, name):
    given = fit(X, CONTAINERS[name](mined.indices))
    expected = fit(X, mined)
    assert_array_equal(given.neighbors_.indices, expected.neighbors_.indices)
    # from the features, as `mine_neighbors` has them
    assert_allclose(
        given.neighbors_.similarities, mined.similarities, rtol=1e-4, atol=1e-4
    )
    assert given.neighbors_.metric == "cosine"
    assert_array_equal(given.labels_, expected.labels_)


@pytest.mark.parametrize("include_self", [False, True])
def test_a_graph_of_distances(X, include_self):
    n_neighbors = K + include_self
    graph = kneighbors_graph(X, n_neighbors, mode="distance", include_self=include_self)
    given = fit(X, graph).neighbors_
    distances, indices = NearestNeighbors(n_neighbors=K).fit(X).kneighbors()
    assert_array_equal(given.indices, indices)
    assert_allclose(given.distances(), distances, rtol=1e-5)
    assert given.metric == "euclidean"


def test_the_nearest_of_many_are_taken(X):
    graph = kneighbors_graph(X, 20, mode="distance")
    few = fit(X, graph, n_neighbors=3).neighbors_
    assert_array_equal(few.indices, fit(X, graph).neighbors_.indices[:, :3])


def test_copies_of_a_sample_may_stand_for_itself(X):
    twice = np.concatenate([X, X[:1], X[:1]])
    graph = kneighbors_graph(twice, K, include_self=True)
    given = fit(twice, graph).neighbors_
    assert given.n_neighbors == K - 1
    assert (given.indices != np.arange(len(twice))[:, None]).all()


def test_rows_of_several_lengths_are_cut_with_a_warning(X):
    graph = radius_neighbors_graph(X, 6.0, mode="distance")
    lengths = np.diff(graph.indptr)
    assert lengths.min() > 0
    with pytest.warns(UserWarning, match=rf"{lengths.min()} to {lengths.max()}"):
        given = fit(X, graph, n_neighbors=50).neighbors_
    assert given.n_neighbors == lengths.min()


def test_a_linkage_compares_by_its_own_metric(X, mined):
    for metric in ("cosine", "euclidean"):
        tree = GraphDegreeLinkage(3, metric=metric).fit(X, neighbors=mined.indices)
        assert tree.neighbors_.metric == metric
        assert_array_equal(np.sort(tree.neighbors_.indices), np.sort(mined.indices))
        assert (np.diff(tree.neighbors_.similarities) <= 1e-6).all()


def test_several_encoders(X, mined):
    given = fit((X, X[:, :4]), mined.indices).neighbors_
    assert np.isfinite(given.similarities).all()
    assert_array_equal(np.sort(given.indices), np.sort(mined.indices))


def row_of(indices, row, value):
    changed = indices.copy()
    changed[row] = value
    return changed


WRONG = {
    "fewer rows": (
        lambda g: g.indices[:-1],
        r"60 samples .* ndarray of shape \(59, 5\)",
    ),
    "no columns": (lambda g: g.indices[:, :0], r"of shape \(60, 0\)"),
    "too high": (
        lambda g: row_of(g.indices, 7, N),
        "from 0 to 59; got 60 in row 7 of the ndarray",
    ),
    "negative": (lambda g: row_of(g.indices, 7, -1), "got -1 in row 7 of the ndarray"),
    "only itself": (lambda g: row_of(g.indices, 7, 7), "row 7 has none"),
    "sparse of another shape": (
        lambda g: ones(g.indices, sparse.csr_array)[:, :-1],
        r"sparse of shape \(60, 60\), .* a csr_array of shape \(60, 59\)",
    ),
    "sparse with an empty row": (
        lambda g: sparse.diags_array([np.r_[np.zeros(7), np.ones(N - 8)]], offsets=[1]),
        "row .* has none: pass kneighbors_graph",
    ),
    "sparse without neighbours": (
        lambda g: sparse.csr_array((N, N)),
        "row 0 has none",
    ),
    "negative distances": (
        lambda g: sparse.csr_array(-np.arange(N * N).reshape(N, N)),
        "got a csr_array with -3599: pass kneighbors_graph",
    ),
    "NaN": (
        lambda g: sparse.csr_array(np.where(np.eye(N, k=1), np.nan, np.eye(N, k=2))),
        "distances of zero or more; got a csr_array",
    ),
    "floats": (lambda g: g.similarities, "got a ndarray: pass kneighbors_graph"),
    "one dimension": (lambda g: g.indices[:, 0], "got a ndarray: pass"),
    "ragged lists": (lambda g: [[1, 2], [0]], "got a list: pass"),
    "kneighbors": (
        lambda g: (g.distances(), g.indices),
        r"got a tuple: pass neighbors\[1\]\.",
    ),
    "text": (lambda g: "graph", "got a str: pass"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_neighbors_are_refused_in_a_sentence(X, mined, name):
    make, message = WRONG[name]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        fit(X, make(mined))
    assert str(caught.value).startswith("neighbors must")
    assert str(caught.value).count(". ") == 0


def test_a_sparse_graph_is_not_taken_for_labels(X, mined):
    graph = ones(mined.indices, sparse.csr_array)
    with pytest.raises(TypeError, match=r"a csr_array: pass it by name"):
        SCANClusterer(3).fit(X, graph)


def test_a_graph_made_by_hand_is_still_checked(X):
    graph = NeighborGraph(np.zeros((N, 1), int), np.ones((N, 1), np.float32))
    with pytest.raises(ValueError, match="its own neighbour"):
        fit(X, graph)
