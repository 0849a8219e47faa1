"""Ward's linkage of few samples and of many."""

import numpy as np
import pytest
from partition_helpers import assert_same_clusters, random_state
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import make_blobs

from sklearn_scan.neighbors.partitions import ward_partition


@pytest.fixture
def few_drawn(monkeypatch):
    monkeypatch.setattr("sklearn_scan.neighbors.partitions._ward._MOST_SAMPLES", 40)


def test_of_few_samples_it_is_wards_linkage():
    X, _ = make_blobs(200, 5, centers=6, cluster_std=4.0, random_state=0)
    found = ward_partition(X.astype(np.float32), 6, random_state())
    assert found.dtype == np.int64
    assert_same_clusters(found, AgglomerativeClustering(6).fit_predict(X))


def test_the_axes_of_largest_variance_count():
    X, y = make_blobs(100, 5, centers=3, random_state=0)
    wide = np.c_[1e-3 * np.random.default_rng(0).normal(size=(100, 70)), X]
    assert_same_clusters(ward_partition(wide, 3, random_state()), y)


def test_of_many_samples_all_are_parted_by_some(few_drawn):
    X, y = make_blobs(300, 8, centers=3, random_state=0)
    found = ward_partition(X, 3, random_state())
    assert found.dtype == np.int64
    assert_same_clusters(found, y)


def test_many_clusters_of_many_samples(few_drawn):
    X = np.random.default_rng(0).normal(size=(100, 2))
    assert np.unique(ward_partition(X, 30, random_state())).size == 30


@pytest.mark.parametrize("n_distinct", [1, 2])
def test_many_equal_samples(n_distinct, few_drawn):
    """Without a warning of classes that have no deviation."""
    y = np.arange(100) % n_distinct
    found = ward_partition(y[:, np.newaxis] * np.ones(3), 2, random_state())
    for number in range(n_distinct):
        assert np.unique(found[y == number]).size == 1
    assert np.unique(found).size == n_distinct


@pytest.mark.parametrize("n_samples", [2, 9])
def test_one_cluster_and_one_for_each_sample(n_samples):
    X = np.random.default_rng(0).normal(size=(n_samples, 1))
    assert not ward_partition(X, 1, random_state()).any()
    found = ward_partition(X, n_samples, random_state())
    assert_same_clusters(found, np.arange(n_samples))
