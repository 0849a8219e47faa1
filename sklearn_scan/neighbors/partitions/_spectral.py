"""Partitions by spectral clustering: k-means on eigenvectors of a graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions._k_means import k_means_partition

# The most samples for a dense solver; for more, an iterative one finds few
# eigenvectors.
_DENSE = 1500
_TOLERANCE = 1e-4  # of eigenvalues between 0 and 1; clusters do not change with less
_MOST_STEPS = 1000
_MOST_VECTORS = 256  # also for more clusters
_K_MEANS_STARTS, _MANY_CLUSTERS = 5, 100


# Source: A. Ng, M. Jordan and Y. Weiss, "On spectral clustering: analysis and an
# algorithm", NIPS 2001.


def spectral_partition(
    neighbors: NeighborGraph, n_clusters: int, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Return k-means clusters of the rows of the smoothest vectors, at length one."""
    vectors = spectral_vectors(neighbors, min(n_clusters, _MOST_VECTORS), rng)
    return cluster_directions(vectors, n_clusters, rng)


def cluster_directions(
    vectors: NDArray[np.float64], n_clusters: int, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Return k-means clusters of rows (n, n_vectors) at length one."""
    n_starts = _K_MEANS_STARTS if n_clusters <= _MANY_CLUSTERS else 1
    return k_means_partition(unit_rows(vectors), n_clusters, rng, n_starts=n_starts)


def spectral_vectors(
    neighbors: NeighborGraph, n_vectors: int, rng: np.random.RandomState
) -> NDArray[np.float64]:
    """Return the vectors (n, n_vectors) that vary the least between neighbours."""
    # eigenvectors of the symmetric adjacency, scaled by the roots of the degrees
    adjacency = neighbors.symmetrized().astype(np.float64)
    roots: NDArray[np.float64] = np.sqrt(adjacency.sum(axis=1))
    scale = diags_array(1 / roots)
    adjacency = csr_array(scale @ adjacency @ scale)
    n_samples = neighbors.n_samples
    if n_samples <= _DENSE or n_vectors > n_samples // 4:
        last = n_samples - 1
        _, vectors = eigh(
            adjacency.toarray(), subset_by_index=[last - n_vectors + 1, last]
        )
    else:
        known = _vectors_of_parts(adjacency, roots, n_vectors)
        vectors = np.hstack([_search(adjacency, known, n_vectors, rng), known])
    smoothest: NDArray[np.float64] = vectors[:, ::-1]
    return smoothest


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows of length one, or of zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float64] = vectors / lengths.clip(1e-12)
    return unit


def _vectors_of_parts(
    adjacency: csr_array, roots: NDArray[np.float64], most: int
) -> NDArray[np.float64]:
    """Return an eigenvector for each of the largest connected parts."""
    # all have the eigenvalue 1, for which an iterative solver finds a single vector
    _, parts = connected_components(adjacency, directed=False)
    largest = np.argsort(np.bincount(parts), kind="stable")[-most:]
    vectors: NDArray[np.float64] = np.where(
        parts[:, np.newaxis] == largest, roots[:, np.newaxis], 0.0
    )
    vectors /= np.linalg.norm(vectors, axis=0)
    return vectors


def _search(
    adjacency: csr_array,
    known: NDArray[np.float64],
    n_vectors: int,
    rng: np.random.RandomState,
) -> NDArray[np.float64]:
    """Return the eigenvectors after the known ones, in ascending order."""
    n_samples, n_known = known.shape
    n_wanted = n_vectors - n_known
    vectors: NDArray[np.float64] = np.zeros((n_samples, n_wanted))
    if n_wanted == 0:
        return vectors
    others = LinearOperator(
        adjacency.shape,
        matvec=lambda x: adjacency @ x - known @ (known.T @ x),
        dtype=np.float64,
    )
    try:
        _, vectors = eigsh(
            others,
            n_wanted,
            which="LA",
            v0=rng.standard_normal(n_samples),
            tol=_TOLERANCE,
            maxiter=_MOST_STEPS,
        )
    except ArpackNoConvergence as error:
        # those found so far; the rest, of nearly equal eigenvalues, hardly matters
        vectors[:, n_wanted - error.eigenvectors.shape[1] :] = error.eigenvectors
    return vectors
