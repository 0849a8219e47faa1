"""Features and graphs that the tests of graph degree linkage share."""

import numpy as np
from sklearn.datasets import make_blobs

from sklearn_scan.neighbors import NeighborGraph


def blobs(n_samples=300, n_clusters=5, n_features=8):
    """Return blobs so far apart that no neighbours link them, and who is in which."""
    X, y = make_blobs(n_samples, n_features, centers=n_clusters, random_state=0)
    return X.astype(np.float32), y


def noise(n_samples=120, n_features=6):
    """Return samples in one part, at any number of neighbours from 5 on."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, n_features)).astype(np.float32)


def ring(n_samples=60, similarity=0.5):
    """Return a graph in which everyone's neighbours are the next ones, all alike."""
    indices = (np.arange(n_samples)[:, np.newaxis] + [1, 2, 3]) % n_samples
    return NeighborGraph(indices, np.full(indices.shape, similarity, np.float32))


def partition(labels):
    """Return the clusters as sets of samples, whatever their numbers."""
    return {frozenset(np.flatnonzero(labels == k)) for k in np.unique(labels)}
