"""K-means as a partition: of few samples, of many, and of duplicates."""

import warnings

import numpy as np
import pytest
from partition_helpers import random_state
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors.partitions import k_means_partition


def test_it_is_k_means():
    X, _ = make_blobs(200, 5, centers=6, cluster_std=4.0, random_state=0)
    labels = k_means_partition(X, 6, random_state(0), n_starts=3)
    expected = KMeans(6, n_init=3, max_iter=50, random_state=random_state(0))
    np.testing.assert_array_equal(labels, expected.fit_predict(X))
    assert labels.dtype == np.int64


def test_means_of_some_samples_part_all_of_them(monkeypatch):
    monkeypatch.setattr("sklearn_scan.neighbors.partitions._k_means._MOST_SAMPLES", 60)
    monkeypatch.setattr(
        "sklearn_scan.neighbors.partitions._k_means._MOST_OF_CLUSTER", 0
    )
    X, y = make_blobs(300, 8, centers=3, random_state=0)
    labels = k_means_partition(X, 3, random_state(), n_starts=3)
    assert clustering_accuracy(y, labels) == 1


def test_more_clusters_than_samples_to_draw(monkeypatch):
    monkeypatch.setattr("sklearn_scan.neighbors.partitions._k_means._MOST_SAMPLES", 10)
    monkeypatch.setattr(
        "sklearn_scan.neighbors.partitions._k_means._MOST_OF_CLUSTER", 0
    )
    X = np.random.default_rng(0).normal(size=(40, 3))
    assert np.unique(k_means_partition(X, 15, random_state())).size <= 10


def test_single_precision_changes_nothing():
    X = make_blobs(200, 5, centers=6, cluster_std=4.0, random_state=0)[0]
    X = X.astype(np.float32)
    single, double = (
        k_means_partition(features, 6, random_state())
        for features in (X, X.astype(np.float64))
    )
    np.testing.assert_array_equal(single, double)


@pytest.mark.parametrize("n_clusters", [1, 12])
def test_one_cluster_and_one_for_each_sample(n_clusters):
    X = np.random.default_rng(0).normal(size=(12, 3))
    labels = k_means_partition(X, n_clusters, random_state())
    assert np.unique(labels).tolist() == list(range(n_clusters))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_distinct", [1, 2, 5])
def test_duplicates_make_fewer_clusters_numbered_without_gaps(n_distinct, seed):
    distinct = np.random.default_rng(seed).normal(size=(n_distinct, 3))
    X = np.repeat(distinct, 10, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = k_means_partition(X, 8, random_state(seed))
    assert np.unique(labels).tolist() == list(range(n_distinct))
    np.testing.assert_array_equal(labels, np.repeat(labels[::10], 10))
