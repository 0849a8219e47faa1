"""Graph degree linkage as an estimator: its tree, its cuts, and what X may be."""

import pickle

import joblib
import numpy as np
import pytest
import torch
from color_helpers import three_colors
from linkage_helpers import blobs, noise, partition
from numpy.testing import assert_array_equal
from PIL import Image
from scipy.cluster.hierarchy import is_monotonic, is_valid_linkage
from sklearn.base import clone
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_scan import GraphDegreeLinkage, ImageEncoder
from sklearn_scan.clusterers.defaults import FEATURES_FOR_ANGLES
from sklearn_scan.model_selection import TransductiveSplit
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.astype(np.float32), y


@pytest.fixture(scope="module")
def on_digits(digits):
    return GraphDegreeLinkage(10).fit(digits[0])


# -- Quality ---------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_digits(metric, digits):
    X, y = digits
    labels = GraphDegreeLinkage(10, metric=metric).fit_predict(X)
    assert normalized_mutual_info_score(y, labels) > 0.85
    ward = AgglomerativeClustering(10).fit_predict(X)
    assert adjusted_rand_score(y, labels) > adjusted_rand_score(y, ward)


@pytest.mark.parametrize("n_clusters", [2, 5, 9])
def test_auto_counts_blobs(n_clusters):
    X, y = blobs(450, n_clusters)
    fitted = GraphDegreeLinkage("auto").fit(X)
    assert fitted.n_clusters_ == fitted.n_clusters_curve_.n_clusters == n_clusters
    assert adjusted_rand_score(y, fitted.labels_) == 1


def test_auto_on_digits(digits):
    fitted = GraphDegreeLinkage("auto").fit(digits[0])
    assert 8 <= fitted.n_clusters_ <= 16
    assert_array_equal(fitted.labels_, fitted.labels_for(fitted.n_clusters_))


@pytest.mark.slow
def test_many_samples():
    centers = [[20 * i, 20 * j] for i in range(5) for j in range(2)]
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=100_000)
    X = np.array(centers)[y] + rng.normal(size=(100_000, 2))
    distances, indices = NearestNeighbors(n_neighbors=20).fit(X).kneighbors()
    graph = NeighborGraph(indices, -distances.astype(np.float32), metric="euclidean")
    fitted = GraphDegreeLinkage(10).fit(graph)
    assert adjusted_rand_score(y, fitted.labels_) > 0.99


# -- The tree and its cuts -------------------------------------------------------------


def test_the_tree_has_the_form_of_scikit_learn(on_digits):
    fitted, n_samples = on_digits, 1797
    assert fitted.n_leaves_ == n_samples
    assert fitted.children_.shape == (n_samples - 1, 2)
    assert fitted.distances_.shape == (n_samples - 1,)
    assert sorted(fitted.children_.ravel()) == list(range(2 * n_samples - 2))
    made = n_samples + np.arange(n_samples - 1)
    assert (fitted.children_ < made[:, np.newaxis]).all()
    assert (np.diff(fitted.distances_) >= 0).all()
    matrix = fitted.tree_.to_scipy()
    assert is_valid_linkage(matrix)
    assert is_monotonic(matrix)


def test_labels(on_digits):
    assert on_digits.labels_.dtype == np.int64
    assert (np.diff(np.bincount(on_digits.labels_)) <= 0).all()
    assert on_digits.n_clusters_ == 10
    assert on_digits.n_features_in_ == 64
    assert on_digits.embedding_dims_ == (64,)
    assert on_digits.n_clusters_curve_ is None
    assert on_digits.encoder_ is on_digits.image_names_ is None


@pytest.mark.parametrize("n_clusters", [1, 2, 7, 40, 299, 300])
def test_labels_for_a_number_equal_a_fit_with_it(n_clusters, digits, monkeypatch):
    X = digits[0][:300]
    fitted = GraphDegreeLinkage(10).fit(X)
    fresh = GraphDegreeLinkage(n_clusters).fit(X)
    monkeypatch.setattr("sklearn_scan.clusterers.linkage.linkage_tree", None)
    assert_array_equal(fitted.labels_for(n_clusters), fresh.labels_)
    assert len(np.unique(fresh.labels_)) == fresh.n_clusters_ == n_clusters
    assert fitted.n_clusters_ == 10


def test_clusters_are_nested(on_digits):
    fine, coarse = on_digits.labels_for(60), on_digits.labels_for(8)
    assert len(np.unique(np.c_[fine, coarse], axis=0)) == 60


@pytest.mark.parametrize("n_clusters", [1, 3, 20, 300])
def test_a_threshold_cuts_below_a_height(n_clusters, digits):
    X = digits[0][:300]
    heights = GraphDegreeLinkage(10).fit(X).distances_
    threshold = 0.0 if n_clusters == 300 else heights[-1] + 1
    if 1 < n_clusters < 300:
        threshold = heights[300 - n_clusters]
    fitted = GraphDegreeLinkage(None, distance_threshold=threshold).fit(X)
    assert fitted.n_clusters_ == len(set(fitted.labels_))
    assert fitted.n_clusters_ == 300 - np.count_nonzero(heights < threshold)
    assert_array_equal(fitted.labels_, fitted.labels_for(fitted.n_clusters_))


def test_two_fits_are_equal(digits, on_digits):
    again = clone(on_digits).fit(digits[0])
    assert_array_equal(again.children_, on_digits.children_)
    assert_array_equal(again.distances_, on_digits.distances_)


# -- Metrics and graphs ----------------------------------------------------------------


@pytest.mark.parametrize("more", [-1, 0])
def test_auto_takes_angles_of_many_features(more):
    n_features = FEATURES_FOR_ANGLES + more
    X = noise(60, n_features)
    fitted = GraphDegreeLinkage(2, n_neighbors=10).fit(X)
    metric = "cosine" if more == 0 else "euclidean"
    assert fitted.neighbors_.metric == metric
    graph = mine_neighbors(X, 10, metric=metric, center=True)
    assert_array_equal(fitted.neighbors_.indices, graph.indices)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_graph_of_features_gives_the_same_tree(metric, monkeypatch):
    X = noise()
    of_features = GraphDegreeLinkage(4, n_neighbors=8, metric=metric).fit(X)
    assert of_features.n_connected_components_ == 1
    monkeypatch.setattr("sklearn_scan.clusterers.graph.mine_neighbors", None)
    graph = of_features.neighbors_
    with_graph = GraphDegreeLinkage(4).fit(X, neighbors=graph)
    of_graph = GraphDegreeLinkage(4).fit(graph)
    for other in (with_graph, of_graph):
        assert_array_equal(other.labels_, of_features.labels_)
        assert_array_equal(other.children_, of_features.children_)
        assert_array_equal(other.distances_, of_features.distances_)
    assert_array_equal(with_graph.embedding_, X)
    assert of_graph.embedding_ is None
    assert not hasattr(of_graph, "n_features_in_")


def test_the_nearest_of_more_neighbours_are_taken():
    X = noise()
    more = mine_neighbors(X, 30, metric="euclidean")
    for fitted in (
        GraphDegreeLinkage(3, n_neighbors=8).fit(more),
        GraphDegreeLinkage(3, n_neighbors=8).fit(X, neighbors=more),
    ):
        assert_array_equal(fitted.neighbors_.indices, more.indices[:, :8])


def test_a_graph_in_files(tmp_path):
    graph = mine_neighbors(noise(), 8)
    graph.save(tmp_path / "graph")
    mapped = NeighborGraph.load(tmp_path / "graph", mmap_mode="r")
    on_disk, in_memory = (GraphDegreeLinkage(4).fit(each) for each in (mapped, graph))
    assert_array_equal(on_disk.labels_, in_memory.labels_)
    short = NeighborGraph(graph.indices.astype(np.int32), graph.similarities)
    assert_array_equal(GraphDegreeLinkage(4).fit_predict(short), in_memory.labels_)


def test_fit_predict_passes_the_graph_on():
    X, y = blobs()
    graph = mine_neighbors(X, 8, metric="euclidean")
    labels = GraphDegreeLinkage(5).fit_predict(X, neighbors=graph)
    assert adjusted_rand_score(y, labels) == 1


# -- Features --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "convert",
    [
        np.float64,
        np.float16,
        np.uint8,
        np.asfortranarray,
        np.ndarray.tolist,
        torch.from_numpy,
        lambda X: np.broadcast_to(X, X.shape),  # read-only
        lambda X: np.repeat(X, 2, axis=0)[::2],  # not contiguous
    ],
)
def test_any_form_of_the_same_numbers(convert):
    X, y = blobs()
    X = np.round(4 * (X - X.min()))
    expected = GraphDegreeLinkage(5).fit(X)
    fitted = GraphDegreeLinkage(5).fit(convert(X))
    assert_array_equal(fitted.children_, expected.children_)
    assert adjusted_rand_score(y, fitted.labels_) == 1
    assert fitted.embedding_.dtype == np.float32


def test_what_is_kept_does_not_change_with_x():
    X, _ = blobs()
    fitted = GraphDegreeLinkage(5).fit(X)
    before = X.copy()
    X[:] = 0
    assert_array_equal(fitted.embedding_, before)


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "i2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.filterwarnings("ignore:The graph of neighbours falls:UserWarning")
def test_features_in_a_file(dtype, order, tmp_path):
    X, _ = blobs()
    X = np.round(4 * X).astype(dtype)
    mapped = np.memmap(tmp_path / "X", dtype, "w+", shape=X.shape, order=order)
    mapped[:] = X
    fitted = GraphDegreeLinkage(3).fit(mapped)
    assert fitted.embedding_ is mapped
    expected = GraphDegreeLinkage(3).fit(X.astype(np.float32))
    assert_array_equal(fitted.children_, expected.children_)
    np.testing.assert_allclose(fitted.distances_, expected.distances_)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.filterwarnings("ignore:The graph of neighbours falls:UserWarning")
def test_an_array_twice_counts_as_once_by_its_angles(metric):
    X, _ = blobs()
    twice = GraphDegreeLinkage(3, metric=metric).fit((X, X))
    once = GraphDegreeLinkage(3, metric="cosine").fit(X)
    assert twice.embedding_dims_ == (8, 8)
    assert twice.n_features_in_ == 16
    assert_array_equal(twice.labels_, once.labels_)
    # the parts are joined by pairs at the same distances, in units of the neighbours'
    np.testing.assert_allclose(twice.distances_, once.distances_, rtol=1e-3)


# -- Images ----------------------------------------------------------------------------


def pooled():
    """Return an encoder of 3 x 2 x 2 features."""
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return ImageEncoder(backbone, input_size=8)


def test_images_through_an_encoder():
    images, y = three_colors()
    fitted = GraphDegreeLinkage(3, encoder=pooled(), n_neighbors=8).fit(images)
    assert adjusted_rand_score(y, fitted.labels_) == 1
    assert fitted.embedding_.shape == (60, 12)
    assert fitted.bad_images_ == []
    assert len(fitted.image_names_) == 60
    assert_array_equal(fitted.encoder_.transform(images), fitted.embedding_)
    features = GraphDegreeLinkage(3, n_neighbors=8).fit(fitted.embedding_)
    assert_array_equal(features.labels_, fitted.labels_)


@pytest.fixture
def files(tmp_path):
    """Files of 60 images, 3 and 20 of which are none."""
    images, y = three_colors()
    names = [str(tmp_path / f"{i}.png") for i in range(60)]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(name)
    for bad in (3, 20):
        (tmp_path / f"{bad}.png").write_text("no image")
    return names, y


@pytest.mark.filterwarnings("ignore:2 of 60 images cannot be read:UserWarning")
def test_unreadable_images_are_no_leaves(files):
    names, y = files
    clusterer = GraphDegreeLinkage(3, encoder=pooled(), n_neighbors=8)
    with pytest.raises(ValueError, match="2 images cannot be read"):
        clusterer.fit(names)
    fitted = clusterer.set_params(bad_images="skip").fit(names)
    assert [bad.row for bad in fitted.bad_images_] == [3, 20]
    assert fitted.n_leaves_ == 58
    for labels in (fitted.labels_, fitted.labels_for(7)):
        assert np.flatnonzero(labels == -1).tolist() == [3, 20]
    readable = np.delete(np.arange(60), [3, 20])
    assert adjusted_rand_score(y[readable], fitted.labels_[readable]) == 1
    # their graph tells which cannot be read
    again = GraphDegreeLinkage(3).fit(fitted.neighbors_)
    assert_array_equal(again.labels_, fitted.labels_)
    given = clone(fitted).fit(names, neighbors=fitted.neighbors_)
    assert_array_equal(given.labels_, fitted.labels_)
    with pytest.raises(ValueError, match=r"n_clusters=59 must not exceed .* 58"):
        fitted.labels_for(59)


# -- scikit-learn's tools --------------------------------------------------------------


def test_a_pipeline_and_a_search(digits):
    X, y = digits[0][:400], digits[1][:400]
    pipeline = make_pipeline(StandardScaler(), GraphDegreeLinkage(10))
    assert normalized_mutual_info_score(y, pipeline.fit_predict(X)) > 0.6
    search = GridSearchCV(
        GraphDegreeLinkage(),
        {"n_clusters": [2, 10]},
        scoring=lambda fitted, X, y: normalized_mutual_info_score(y, fitted.labels_),
        cv=TransductiveSplit(),
    ).fit(X, y)
    assert search.best_params_ == {"n_clusters": 10}


def test_copies(on_digits, tmp_path):
    joblib.dump(on_digits, tmp_path / "fitted")
    for copy in (
        pickle.loads(pickle.dumps(on_digits)), joblib.load(tmp_path / "fitted")
    ):  # fmt: skip
        assert_array_equal(copy.labels_, on_digits.labels_)
        assert_array_equal(copy.labels_for(30), on_digits.labels_for(30))
    assert not hasattr(clone(on_digits), "labels_")


def test_parameters():
    clusterer = GraphDegreeLinkage(7, metric="cosine", distance_threshold=None)
    assert clusterer.get_params() == {
        "n_clusters": 7, "encoder": "auto", "n_neighbors": 20, "metric": "cosine",
        "distance_threshold": None, "neighbor_method": "auto", "device": "auto",
        "precision": "auto", "memory": None, "bad_images": "raise",
        "max_pixels": 89_478_485, "n_jobs": None, "random_state": None, "verbose": 0,
    }  # fmt: skip
    assert repr(clusterer) == "GraphDegreeLinkage(metric='cosine', n_clusters=7)"
    assert not hasattr(clusterer, "set_callbacks")


def test_a_data_frame_names_its_features(digits):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(digits[0][:100], columns=[f"p{i}" for i in range(64)])
    fitted = GraphDegreeLinkage(3).fit(frame)
    assert fitted.feature_names_in_.tolist() == list(frame.columns)


def test_another_fit_leaves_nothing_of_the_last():
    fitted = GraphDegreeLinkage("auto").fit(blobs()[0])
    fitted.set_params(n_clusters=3).fit(mine_neighbors(noise(), 8))
    assert fitted.embedding_ is fitted.n_clusters_curve_ is None
    assert not hasattr(fitted, "n_features_in_")
    assert partition(fitted.labels_) == partition(fitted.labels_for(3))
