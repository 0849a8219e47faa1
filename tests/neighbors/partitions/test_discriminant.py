"""White features, and partitions refined by discriminant analysis in turns."""

import numpy as np
import pytest
from partition_helpers import random_state
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA

from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors.partitions import refine_partition, whiten


def centered(X):
    return (X - X.mean(axis=0)).astype(np.float32)


def stretched_blobs(n_clusters=4, n_features=6):
    """Return groups, and a feature without information that is wider than they are."""
    X, y = make_blobs(400, n_features, centers=n_clusters, random_state=1)
    noise = 15 * np.random.default_rng(0).normal(size=400)
    return centered(np.c_[X, noise]), y


# -- White features --------------------------------------------------------------------


def test_the_covariance_is_nearly_one():
    X, _ = stretched_blobs()
    values, axes = np.linalg.eigh(np.cov(X.astype(float).T, bias=True))
    expected = (X @ axes) / np.sqrt(values + 0.1 * values.mean())
    white = whiten(X)
    assert white.dtype == np.float32
    np.testing.assert_allclose(white @ white.T, expected @ expected.T, atol=0.05)


def test_the_most_are_those_of_largest_variance():
    X, _ = stretched_blobs()
    white = whiten(X, 3)
    assert white.shape == (400, 3)
    kept = PCA(3).fit_transform(X)
    _, singular, _ = np.linalg.svd(np.linalg.qr(white)[0].T @ np.linalg.qr(kept)[0])
    np.testing.assert_allclose(singular, 1, atol=1e-3)  # one space
    assert whiten(X, 128).shape == X.shape


@pytest.mark.parametrize("n_samples", [1, 2, 30])
def test_features_without_variance_stay_zero(n_samples):
    assert not whiten(np.zeros((n_samples, 5), np.float32)).any()


# -- Refined partitions ----------------------------------------------------------------


def slow_refinement(labels, white, n_clusters):
    """Return the clusters of k-means along the axes of the means, in turns."""
    for _ in range(5):
        means = np.array([white[labels == c].mean(axis=0) for c in range(n_clusters)])
        sizes = np.bincount(labels)
        axes = np.linalg.svd(means * np.sqrt(sizes)[:, None])[2][: n_clusters - 1]
        inside = white @ axes.T
        k_means = KMeans(n_clusters, init=means @ axes.T, n_init=1, max_iter=20, tol=0)
        labels = k_means.fit_predict(inside)
    return labels


def spoiled(y, share=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(len(y)) < share, rng.permutation(y), y)


@pytest.mark.parametrize("cluster_std", [1.0, 4.0])
def test_it_is_k_means_along_discriminant_axes(cluster_std):
    X, y = make_blobs(
        600, 8, centers=4, cluster_std=cluster_std, center_box=(-6, 6), random_state=0
    )
    white, start = whiten(centered(X)), spoiled(y)
    found = refine_partition(start, white, 4)
    expected = slow_refinement(start, white.astype(float), 4)
    assert np.mean(found == expected) > 0.97  # it stops when few samples move


def test_a_perfect_partition_is_kept_and_a_spoiled_one_mended():
    X, y = stretched_blobs()
    white = whiten(X)
    np.testing.assert_array_equal(refine_partition(y, white, 4), y)
    start = spoiled(y)
    before = start.copy()
    np.testing.assert_array_equal(refine_partition(start, white, 4), y)
    np.testing.assert_array_equal(start, before)


def test_more_clusters_than_features():
    X, y = make_blobs(300, 2, centers=6, cluster_std=0.3, random_state=3)
    start = spoiled(y)
    found = refine_partition(start, whiten(centered(X)), 6)
    assert clustering_accuracy(y, found) > clustering_accuracy(y, start) + 0.1


def test_an_empty_cluster_stays_empty():
    X, y = stretched_blobs()
    found = refine_partition(y + (y >= 2), whiten(X), 5)
    np.testing.assert_array_equal(found, y + (y >= 2))


@pytest.mark.parametrize("n_samples", [1, 2, 20])
def test_one_cluster_and_one_for_each_sample(n_samples):
    X = random_state().normal(size=(n_samples, 3)).astype(np.float32)
    white = whiten(X)
    assert not refine_partition(np.zeros(n_samples, int), white, 1).any()
    each = np.arange(n_samples)
    np.testing.assert_array_equal(refine_partition(each, white, n_samples), each)


def test_equal_rows_stay_in_one_cluster():
    zeros = np.zeros((12, 3), np.float32)
    assert np.unique(refine_partition(np.arange(12) % 3, zeros, 3)).size == 1
