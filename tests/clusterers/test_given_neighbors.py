"""A graph of neighbours given to fit: used as it is, checked, and with gaps."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs

from sklearn_scan import SCANClusterer, TEMIClusterer
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors

CLUSTERERS = [
    SCANClusterer(4, n_heads=3, max_epochs=3, self_label_epochs=2, random_state=0),
    TEMIClusterer(4, n_heads=2, max_epochs=3, n_neighbors=20, random_state=0),
]


@pytest.fixture(scope="module")
def X():
    X, _ = make_blobs(200, 6, centers=4, cluster_std=2.0, random_state=0)
    return X.astype(np.float32)


@pytest.fixture(scope="module")
def mined(X):
    return mine_neighbors(X - X.mean(axis=0), 20)


def graph_of(indices):
    indices = np.asarray(indices)
    return NeighborGraph(indices, np.ones(indices.shape, np.float32))


@pytest.mark.parametrize("clusterer", CLUSTERERS, ids=lambda c: type(c).__name__)
def test_the_graph_that_is_mined_gives_the_same_fit(clusterer, X, mined, monkeypatch):
    own = clone(clusterer).fit(X)
    monkeypatch.setattr(
        "sklearn_scan.clusterers.graph.mine_neighbors", None
    )  # not called
    given = clone(clusterer).fit(X, neighbors=own.neighbors_)
    np.testing.assert_array_equal(given.probabilities_, own.probabilities_)
    np.testing.assert_array_equal(given.neighbors_.indices, own.neighbors_.indices)
    assert given.stage_times_["mine"] < 0.1
    labels = clone(clusterer).fit_predict(X, neighbors=own.neighbors_)
    np.testing.assert_array_equal(labels, own.labels_)
    embedding = clone(clusterer).fit_transform(X, neighbors=own.neighbors_)
    np.testing.assert_array_equal(embedding, X)


def test_the_nearest_of_more_neighbours_are_taken_and_fewer_as_they_are(X, mined):
    more = mine_neighbors(X - X.mean(axis=0), 30)
    fitted = clone(CLUSTERERS[0]).fit(X, neighbors=more)
    np.testing.assert_array_equal(fitted.neighbors_.indices, mined.indices)
    fitted = clone(CLUSTERERS[0]).fit(X, neighbors=mined.nearest(3))
    assert fitted.neighbors_.n_neighbors == 3


def test_a_graph_of_euclidean_neighbours(X):
    graph = mine_neighbors(X, 20, metric="euclidean")
    fitted = clone(CLUSTERERS[0]).fit(X, neighbors=graph)
    np.testing.assert_array_equal(fitted.neighbors_.indices, graph.indices)
    assert fitted.neighbors_.metric == "euclidean"


def test_a_graph_in_files(X, mined, tmp_path):
    mined.save(tmp_path / "graph")
    mapped = NeighborGraph.load(tmp_path / "graph", mmap_mode="r")
    on_disk = clone(CLUSTERERS[0]).fit(X, neighbors=mapped)
    in_memory = clone(CLUSTERERS[0]).fit(X, neighbors=mined)
    np.testing.assert_array_equal(on_disk.probabilities_, in_memory.probabilities_)
    short = NeighborGraph(mined.indices.astype(np.int32), mined.similarities)
    of_short = clone(CLUSTERERS[0]).fit(X, neighbors=short)
    np.testing.assert_array_equal(of_short.probabilities_, in_memory.probabilities_)


RING = (np.arange(200)[:, np.newaxis] + [1, 2]) % 200


def valued(similarities, **fields):
    return NeighborGraph(RING, np.tile(np.float32(similarities), (200, 1)), **fields)


def changed(value):
    ring = RING.copy()
    ring[17, 1] = value
    return graph_of(ring)


@pytest.mark.parametrize(
    ("graph", "error", "message"),
    [
        (RING, TypeError, "must be a NeighborGraph; got ndarray"),
        (graph_of(RING[:199]), ValueError, "each of the 200 samples"),
        (graph_of(RING[:, :0]), ValueError, "one neighbour or more"),
        (graph_of(RING.astype(np.uint32)), TypeError, "signed integers.*got uint32"),
        (changed(200), ValueError, "from 0 to 199; got 200 in row 17"),
        (changed(-1), ValueError, "from 0 to 199; got -1 in row 17"),
        (changed(17), ValueError, "own neighbour; row 17 does"),
        (valued([0.5, 0.9]), ValueError, "of the most similar first"),
        (valued([4.0, 1.5]), ValueError, "cosines, from -1 to 1"),
        (valued([1.5, 4.0], metric="euclidean"), ValueError, "be negative distances"),
        (valued([-4, -1.5], metric="euclidean"), ValueError, "be negative distances"),
        (valued([-1, -np.inf], metric="euclidean"), ValueError, "negative distances"),
        (valued([np.nan, np.nan]), ValueError, "cosines, from -1 to 1"),
    ],
)
def test_wrong_graphs(graph, error, message, X, monkeypatch):
    monkeypatch.setattr("sklearn_scan.core.rows._BLOCK_ELEMENTS", 20)
    with pytest.raises(error, match=message):
        clone(CLUSTERERS[0]).fit(X, neighbors=graph)


def test_no_neighbours_and_some_contradict_each_other():
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8), dtype=np.uint8)
    clusterer = SCANClusterer(2, n_neighbors=0, finetune=True, encoder="resnet18")
    with pytest.raises((ValueError, TypeError), match="n_neighbors=0 takes no"):
        clusterer.fit(images, neighbors=graph_of(RING))


def test_a_graph_in_the_place_of_labels_is_refused(X, mined):
    with pytest.raises(TypeError, match=r"pass it by name, fit\(X, neighbors=graph\)"):
        SCANClusterer(n_clusters=3).fit(X, mined)
