"""Graph degree linkage of what can hardly be clustered: a result or a clear error."""

import numpy as np
import pytest
from linkage_helpers import blobs, noise, ring
from numpy.testing import assert_array_equal
from scipy.cluster.hierarchy import is_valid_linkage
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.validation import check_is_fitted

from sklearn_scan import GraphDegreeLinkage
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors

DISTINCT = np.random.default_rng(0).normal(size=(40, 6))

ODD = {
    "zeros": np.zeros((40, 6)),
    "constant": np.full((40, 6), 0.1),
    "two points": np.repeat(DISTINCT[:2], 20, axis=0),
    "two points far apart": np.repeat([[0.0], [1e15]], 20, axis=0),
    "three points": np.repeat(DISTINCT[:3], [20, 15, 5], axis=0),
    "one apart": np.r_[np.zeros((39, 6)), np.ones((1, 6))],
    "one feature": DISTINCT[:, :1],
    "tiny": 1e-30 * DISTINCT,
    "huge": 1e30 * DISTINCT,
    "huge and apart": 1e30 * np.r_[DISTINCT[:10], 100 + DISTINCT[10:]],
}
alike = pytest.mark.filterwarnings("ignore:100% of the samples have an exact copy")
ODD_CASES = [
    pytest.param(name, marks=[alike] if name in {"zeros", "constant"} else [])
    for name in ODD
]
joined = pytest.mark.filterwarnings("ignore:The graph of neighbours falls:UserWarning")


@joined
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", ODD_CASES)
def test_odd_features_are_clustered_somehow(name, metric):
    fitted = GraphDegreeLinkage(2, n_neighbors=5, metric=metric).fit(ODD[name])
    assert is_valid_linkage(fitted.tree_.to_scipy())
    assert np.isfinite(fitted.distances_).all()
    for n_clusters in (1, 3, 40):
        labels = fitted.labels_for(n_clusters)
        assert np.unique(labels).tolist() == list(range(n_clusters))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("n_points", [2, 5])
def test_duplicates_stay_together(n_points, metric):
    y = np.arange(30 * n_points) % n_points
    X = DISTINCT[:n_points][y]
    fitted = GraphDegreeLinkage(n_points, metric=metric).fit(X)
    assert adjusted_rand_score(y, fitted.labels_) == 1


@alike
def test_auto_warns_of_samples_that_are_all_alike():
    with pytest.warns(ConvergenceWarning, match="No number of clusters stands out"):
        fitted = GraphDegreeLinkage("auto").fit(np.ones((50, 4)))
    assert fitted.n_clusters_ == len(set(fitted.labels_))


@pytest.mark.parametrize("n_samples", [2, 3, 20])
def test_all_the_others_are_the_most_neighbours(n_samples):
    how_much = "nothing" if n_samples == 2 else "little"
    match = f"You have only {n_samples} samples.* The clusters mean {how_much}"
    with pytest.warns(UserWarning, match=match):
        fitted = GraphDegreeLinkage(2).fit(DISTINCT[:n_samples])
    assert set(fitted.labels_) == {0, 1}
    assert fitted.labels_for(n_samples).tolist() == list(range(n_samples))


@pytest.mark.parametrize("similarity", [1.0, 0.5, -1.0])
def test_similarities_that_are_all_equal(similarity):
    fitted = GraphDegreeLinkage(3).fit(ring(similarity=similarity))
    assert set(fitted.labels_) == {0, 1, 2}
    assert np.isfinite(fitted.distances_).all()


# -- More parts than clusters ----------------------------------------------------------


def test_nearest_pairs_join_the_parts_of_features():
    shifts = np.repeat([[0, 0], [60, 0], [80, 0]], 30, axis=0)
    X = shifts + np.tile(noise(30, 2), (3, 1))
    clusterer = GraphDegreeLinkage(2, n_neighbors=8)
    with pytest.warns(UserWarning, match=r"into 3 parts, more than the 2 cluster\(s\)"):
        fitted = clusterer.fit(X)
    assert fitted.n_connected_components_ == 3
    assert fitted.labels_.tolist() == [1] * 30 + [0] * 60
    # without a warning: they are as many as the clusters, or were asked for later
    three = GraphDegreeLinkage(3, n_neighbors=8).fit(X)
    assert_array_equal(three.labels_for(2), fitted.labels_)


def test_a_threshold_that_joins_parts_warns_too():
    clusterer = GraphDegreeLinkage(None, distance_threshold=1e4)
    with pytest.warns(UserWarning, match="into 5 parts, more than the 1 cluster"):
        assert clusterer.fit(blobs()[0]).n_clusters_ == 1


@pytest.mark.parametrize("n_clusters", [2, None])
def test_nothing_joins_the_parts_of_a_bare_graph(n_clusters):
    X, y = blobs()
    graph = mine_neighbors(X, 8, metric="euclidean")
    threshold = 1e4 if n_clusters is None else None
    clusterer = GraphDegreeLinkage(n_clusters, distance_threshold=threshold)
    with pytest.raises(ValueError, match=r"into 5 parts .* more than n_clusters="):
        clusterer.fit(graph)
    with pytest.raises(NotFittedError):
        check_is_fitted(clusterer)
    fitted = GraphDegreeLinkage(7).fit(graph)
    assert adjusted_rand_score(y, fitted.labels_for(5)) == 1
    with pytest.raises(ValueError, match=r"into 5 parts .* more than n_clusters=4"):
        fitted.labels_for(4)


def test_auto_never_asks_for_fewer_clusters_than_parts():
    pairs = np.arange(40).reshape(-1, 2)[:, ::-1].reshape(-1, 1)
    graph = NeighborGraph(pairs, np.ones(pairs.shape, np.float32))
    fitted = GraphDegreeLinkage("auto").fit(graph)
    assert fitted.n_clusters_ == fitted.n_connected_components_ == 20


# -- Errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"metric": "euclid"}, ValueError, "Did you mean 'euclidean'"),
        ({"metric": None}, ValueError, "metric must be one of"),
        ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1; got 0"),
        ({"n_clusters": 2.0}, TypeError, "n_clusters must be an integer"),
        ({"n_clusters": "many"}, ValueError, "n_clusters must be 'auto' or a number"),
        ({"n_clusters": 61}, ValueError, "not exceed the number of samples"),
        ({"n_clusters": np.int64(61)}, ValueError, "n_clusters=61 must not exceed"),
        ({"n_clusters": None}, ValueError, "n_clusters=None and distance_threshold=N"),
        ({"distance_threshold": 1.0}, ValueError, "n_clusters=10 and distance_thr"),
        ({"distance_threshold": -1}, ValueError, "distance_threshold must be at least"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors must be at least 1; got 0"),
        ({"neighbor_method": "tree"}, ValueError, "neighbor_method must be one of"),
        ({"bad_images": "drop"}, ValueError, "bad_images must be one of"),
        ({"precision": "fp8"}, ValueError, "precision must be one of"),
    ],
)
@pytest.mark.parametrize("X", [noise(60), ring(60)], ids=["features", "graph"])
def test_wrong_parameters_leave_the_estimator_unfitted(X, parameters, error, message):
    clusterer = GraphDegreeLinkage().fit(X)
    with pytest.raises(error, match=message):
        clusterer.set_params(**parameters).fit(X)
    with pytest.raises(NotFittedError):
        clusterer.labels_for(3)


def with_nan():
    X = noise(60)
    X[7, 2] = np.nan
    return X


def rewired(value):
    graph = ring()
    graph.indices[7, 1] = value
    return graph


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (with_nan(), ValueError, "contains NaN"),
        (noise(1), ValueError, "n_samples = 1"),
        (NeighborGraph.empty(0), ValueError, "X holds 0 sample"),
        (NeighborGraph.empty(30), ValueError, "one neighbour or more"),
        (rewired(60), ValueError, "from 0 to 59; got 60 in row 7"),
        (rewired(7), ValueError, "own neighbour; row 7 does"),
        (rewired(-1), ValueError, r"row 7 the first, that name no sample \(-1\)"),
        (ring(similarity=2.0), ValueError, "cosines, from -1 to 1"),
        (ring(similarity=np.nan), ValueError, "cosines, from -1 to 1"),
    ],
)
def test_wrong_input_leaves_the_estimator_unfitted(X, error, message):
    clusterer = GraphDegreeLinkage(2).fit(noise(60))
    with pytest.raises(error, match=message):
        clusterer.fit(X)
    with pytest.raises(NotFittedError):
        check_is_fitted(clusterer)


def test_unreadable_rows_of_a_graph_are_no_leaves():
    graph = ring().spread(np.delete(np.arange(62), [3, 40]), 62)
    fitted = GraphDegreeLinkage(2).fit(graph)
    assert fitted.n_leaves_ == 60
    assert np.flatnonzero(fitted.labels_ == -1).tolist() == [3, 40]
    without = GraphDegreeLinkage(2).fit(ring())
    assert_array_equal(np.delete(fitted.labels_, [3, 40]), without.labels_)
    with pytest.raises(ValueError, match="n_clusters=61 must not exceed"):
        GraphDegreeLinkage(61).fit(graph)


def test_a_graph_without_readable_rows():
    nobody = NeighborGraph(np.full((9, 2), -1), np.full((9, 2), np.nan, np.float32))
    with pytest.raises(ValueError, match="n_samples = 0"):
        GraphDegreeLinkage(2).fit(nobody)


def test_graphs_in_the_wrong_place():
    X, graph = noise(60), ring()
    with pytest.raises(ValueError, match="X is a NeighborGraph itself"):
        GraphDegreeLinkage().fit(graph, neighbors=graph)
    with pytest.raises(TypeError, match=r"pass it by name, fit\(X, neighbors=graph\)"):
        GraphDegreeLinkage().fit(X, graph)
    with pytest.raises(TypeError, match=r"got a ndarray: pass kneighbors_graph"):
        GraphDegreeLinkage().fit(X, neighbors=graph.similarities)
    with pytest.raises(ValueError, match="each of the 60 samples"):
        GraphDegreeLinkage().fit(X, neighbors=ring(59))


def test_labels_are_ignored():
    X, y = blobs()
    with_y, without = GraphDegreeLinkage(4), GraphDegreeLinkage(5)
    assert_array_equal(
        with_y.set_params(n_clusters=5).fit(X, y[::-1]).labels_, without.fit(X).labels_
    )


def test_auto_needs_twenty_samples():
    with pytest.raises(ValueError, match="20 samples or more; got n_samples=19"):
        GraphDegreeLinkage("auto", n_neighbors=5).fit(DISTINCT[:19])
