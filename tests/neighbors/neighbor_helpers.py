"""Features to find neighbours of, and a slow reference."""

import numpy as np

from sklearn_scan.neighbors import METHODS, NeighborGraph

MINERS = METHODS[1:]  # all but "auto"
EXACT = ("exact", "flat")


def random_features(n_samples=60, n_features=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n_samples, n_features))


def groups_of_vectors(n_samples=6000, n_features=16, n_groups=60, seed=0):
    """Samples about centres, with noise as wide as these lie apart."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((n_groups, n_features))
    noise = rng.standard_normal((n_samples, n_features))
    return (centers[rng.integers(n_groups, size=n_samples)] + noise).astype(np.float32)


def reference(X, n_neighbors, *, center=False):
    """Compare all pairs in double precision; sort them, equal ones by index."""
    X = np.asarray(X, dtype=np.float64)
    if center:
        X = X - X.mean(axis=0)
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    unit = np.divide(X, lengths, out=np.zeros_like(X), where=lengths > 0)
    similarities = np.round(unit @ unit.T, 12)  # of duplicates they are then equal
    np.fill_diagonal(similarities, -np.inf)
    columns = np.broadcast_to(np.arange(len(X)), similarities.shape)
    order = np.lexsort((columns, -similarities), axis=1)[:, :n_neighbors]
    return order, np.take_along_axis(similarities, order, axis=1)


def recall(graph, X, **settings):
    """Return the share of neighbours that are as near as the true ones, or nearer."""
    _, true = reference(X, graph.n_neighbors, **settings)
    return float((graph.similarities >= true[:, -1:] - 1e-6).mean())


def ring(n_samples, n_neighbors):
    """Return a graph in which everyone's neighbours are the next ones."""
    steps = np.arange(1, n_neighbors + 1)
    indices = (np.arange(n_samples)[:, None] + steps) % n_samples
    indices.flags.writeable = False  # as when it was loaded as a memory map
    return NeighborGraph(indices, np.ones(indices.shape, dtype=np.float32))


def assert_nobody_is_their_own_neighbor(graph):
    itself = np.arange(len(graph.indices))[:, None]
    assert not (graph.indices == itself).any()
