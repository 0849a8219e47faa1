"""Features to find neighbours of, and a slow reference."""

import numpy as np
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

from sklearn_scan.neighbors import METHODS, NeighborGraph

MINERS = METHODS[1:]  # all but "auto"
EXACT = ("exact", "flat")
METRICS = ("cosine", "euclidean")


def random_features(n_samples=60, n_features=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features))


def groups_of_vectors(n_samples=6000, n_features=16, n_groups=60, seed=0):
    """Samples about centres, with noise as wide as these lie apart."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((n_groups, n_features))
    noise = rng.standard_normal((n_samples, n_features))
    return (centers[rng.integers(n_groups, size=n_samples)] + noise).astype(np.float32)


def rounded(X, metric):
    """Return samples of which many are equally near, whatever the order of sums."""
    # distances of multiples of 1/4 have no rounding errors
    return X.round(1) if metric == "cosine" else np.round(4 * X) / 4


def reference(X, n_neighbors, *, metric="cosine", center=False):
    """Compare all pairs in double precision; sort them, equal ones by index."""
    X = np.asarray(X, dtype=np.float64)
    if metric == "euclidean":
        similarities = -cdist(X, X)
    else:
        similarities = cosines(X - X.mean(axis=0) if center else X)
    np.fill_diagonal(similarities, -np.inf)
    columns = np.broadcast_to(np.arange(len(X)), similarities.shape)
    order = np.lexsort((columns, -similarities), axis=1)[:, :n_neighbors]
    return order, np.take_along_axis(similarities, order, axis=1)


def cosines(X):
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    unit = np.divide(X, lengths, out=np.zeros_like(X), where=lengths > 0)
    return np.round(unit @ unit.T, 12)  # of duplicates they are then equal


def recall(graph, X, **settings):
    """Return the share of neighbours that are as near as the true ones, or nearer."""
    _, true = reference(X, graph.n_neighbors, metric=graph.metric, **settings)
    rounding = 1e-6 * np.maximum(1, np.abs(true[:, -1:]))
    return float((graph.similarities >= true[:, -1:] - rounding).mean())


def ring(n_samples, n_neighbors):
    """Return a graph in which everyone's neighbours are the next ones."""
    steps = np.arange(1, n_neighbors + 1)
    indices = (np.arange(n_samples)[:, None] + steps) % n_samples
    indices.flags.writeable = False  # as when it was loaded as a memory map
    return NeighborGraph(indices, np.ones(indices.shape, dtype=np.float32))


def assert_similar(graph, similarities):
    """Check cosines, or distances, up to the rounding of single precision."""
    if graph.metric == "cosine":
        assert_allclose(graph.similarities, similarities, atol=1e-6)
    else:
        assert_allclose(graph.similarities, similarities, rtol=1e-6)


def assert_nobody_is_their_own_neighbor(graph):
    itself = np.arange(len(graph.indices))[:, None]
    assert not (graph.indices == itself).any()
