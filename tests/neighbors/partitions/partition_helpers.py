"""Graphs of neighbours that the tests of partitions share."""

import numpy as np

from sklearn_scan.neighbors import mine_neighbors


def ring_of_blobs(n_blobs=4, n_each=30, n_neighbors=5, noise=0.1, seed=0):
    """Return tight blobs around a centre, their graph, and who is in which."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(n_blobs) / n_blobs
    centers = np.c_[np.cos(angles), np.sin(angles)]
    y = np.repeat(np.arange(n_blobs), n_each)
    X = centers[y] + noise * rng.normal(size=(len(y), 2))
    return X, mine_neighbors(X, n_neighbors), y


def random_state(seed=0):
    return np.random.RandomState(seed)


def assert_same_clusters(first, second):
    """Check that two labelings are one partition, whatever the numbers."""
    first, second = np.asarray(first), np.asarray(second)
    together = first[:, np.newaxis] == first
    np.testing.assert_array_equal(second[:, np.newaxis] == second, together)
