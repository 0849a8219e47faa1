"""Maps of the embedding."""

import sys

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.neighbors import KNeighborsClassifier

from sklearn_scan.results import embedding_map
from sklearn_scan.results.embedding_map import (
    MAP_METHODS,
    count_between,
    map_embedding,
)

X, y = make_blobs(120, n_features=20, centers=4, random_state=0)
X = X.astype(np.float32)


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_what_is_alike_is_near(method):
    points = map_embedding(X, method=method, random_state=0)
    assert points.shape == (120, 2)
    assert points.dtype == np.float32
    assert KNeighborsClassifier(5).fit(points, y).score(points, y) > 0.95


@pytest.fixture
def few_landmarks(monkeypatch):
    monkeypatch.setattr(embedding_map, "_LANDMARKS", 60)


@pytest.mark.usefixtures("few_landmarks")
def test_others_are_placed_among_landmarks():
    points = map_embedding(X, random_state=0)
    assert np.isfinite(points).all()
    assert KNeighborsClassifier(5).fit(points, y).score(points, y) > 0.95
    assert count_between(len(X)) == len(X) - 60
    # in no lines, and on no other sample
    for axis in points.T:
        assert len(np.unique(axis)) == len(X)


@pytest.mark.usefixtures("few_landmarks")
def test_copies_are_side_by_side_and_not_on_one_spot():
    copies = np.concatenate([X[:60], np.repeat(X[:1], 200, axis=0)])
    points = map_embedding(copies, random_state=0)
    assert len(np.unique(points, axis=0)) >= count_between(260)
    is_copy = np.arange(260) >= 60
    nearest = KNeighborsClassifier(3).fit(points, is_copy)
    assert nearest.score(points[60:], is_copy[60:]) > 0.95


def test_how_many_are_not_laid_out():
    assert count_between(2_500) == 0
    assert count_between(2_503) == 3
    assert count_between(10_000, "pca") == count_between(10_000, "umap") == 0
    with pytest.raises(ValueError, match="Did you mean 'tsne'"):
        count_between(10, "t-sne")


def test_one_seed_gives_one_map():
    first, second = (map_embedding(X, random_state=3) for _ in range(2))
    assert np.array_equal(first, second)


def test_unreadable_images_have_no_place():
    gaps = X.copy()
    gaps[[3, 50]] = np.nan
    points = map_embedding(gaps, method="pca")
    assert np.isnan(points[[3, 50]]).all()
    assert np.isfinite(np.delete(points, [3, 50], axis=0)).all()
    readable = np.delete(X, [3, 50], axis=0)
    assert np.allclose(
        np.delete(points, [3, 50], axis=0),
        map_embedding(readable, method="pca"),
        atol=1e-3,
    )


@pytest.mark.parametrize("method", ["tsne", "pca"])
@pytest.mark.parametrize("shape", [(1, 5), (2, 5), (3, 1), (5, 2), (6, 1)])
def test_few_samples_and_features(method, shape):
    embedding = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    points = map_embedding(embedding, method=method, random_state=0)
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_samples_that_are_all_alike(method):
    points = map_embedding(np.ones((10, 4), np.float32), method=method, random_state=0)
    assert np.isfinite(points).all()


def test_an_unknown_method():
    with pytest.raises(ValueError, match="Did you mean 'tsne'"):
        map_embedding(X, method="t-sne")
    assert MAP_METHODS == ("tsne", "pca", "umap")


@pytest.mark.slow
def test_umap():
    pytest.importorskip("umap")
    points = map_embedding(X, method="umap", random_state=0)
    assert KNeighborsClassifier(5).fit(points, y).score(points, y) > 0.95


def test_umap_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        map_embedding(X, method="umap")
