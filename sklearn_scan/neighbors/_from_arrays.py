"""Neighbours in the containers of scikit-learn: sparse graphs and index arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.core.features import to_numpy
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.rows import row_slices, rows_at_once
from sklearn_scan.core.warn import warn
from sklearn_scan.neighbors._graph import NeighborGraph

_MOST_NUMBERS = 2**22  # gathered at once


class _Links(NamedTuple):
    """Links from samples to neighbours, by row, the nearest first."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    distances: NDArray[np.float32]  # NaN where they are unknown

    def pick(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> _Links:
        return _Links(self.rows[which], self.columns[which], self.distances[which])


def graph_from_arrays(neighbors: Any, n_samples: int, *, gaps: bool) -> NeighborGraph:
    """Return the graph of a sparse matrix, or of an array of indices.

    Parameters
    ----------
    neighbors : sparse matrix of shape (n, n), or array of int, shape (n, n_neighbors)
        A sparse matrix holds ones, or Euclidean distances. An array holds the nearest
        first. Samples that are their own neighbours are left out.
    n_samples : int
        The number of samples.
    gaps : bool
        Whether rows may be empty, of images that cannot be read.

    Returns
    -------
    NeighborGraph
        Its similarities are NaN where the distances are unknown: see `compare`.
    """
    if sparse.issparse(neighbors):
        links = _from_sparse(neighbors, n_samples)
    else:
        links = _from_indices(neighbors, n_samples, -1 if gaps else 0)
    links = links.pick((links.rows != links.columns) & (links.columns >= 0))
    counts = np.bincount(links.rows, minlength=n_samples)
    filled = counts[counts > 0] if gaps else counts
    least = int(filled.min()) if len(filled) else 0
    if least == 0:
        raise ValueError(
            "neighbors must have a neighbour for each sample, other than itself; row "
            f"{int(counts.argmin())} has none: pass kneighbors_graph(X, n_neighbors)."
        )
    most = int(counts.max())
    if most > least + 1:  # by one they differ where some samples are their own
        warn(
            f"The rows of neighbors hold from {least} to {most} neighbours: the first "
            f"{least} of each are used.",
            UserWarning,
        )
    return _cut(links, counts, least)


def _cut(links: _Links, counts: NDArray[np.int64], width: int) -> NeighborGraph:
    """Return the graph of the first links of each row."""
    shape = (len(counts), width)
    indices = np.full(shape, -1, np.int64)
    similarities = np.full(shape, np.nan, np.float32)
    starts = np.concatenate([[0], counts.cumsum()[:-1]])
    place = np.arange(len(links.rows)) - starts[links.rows]
    links, place = links.pick(place < width), place[place < width]
    indices[links.rows, place] = links.columns
    similarities[links.rows, place] = -links.distances
    return NeighborGraph(indices, similarities, metric="euclidean")


def _from_sparse(neighbors: Any, n_samples: int) -> _Links:
    if neighbors.shape != (n_samples, n_samples):
        raise ValueError(
            f"neighbors must be sparse of shape ({n_samples}, {n_samples}), as X has "
            f"{n_samples} samples; got a {type(neighbors).__name__} of shape "
            f"{neighbors.shape}: pass kneighbors_graph(X, n_neighbors)."
        )
    matrix = sparse.csr_array(neighbors)
    rows = np.repeat(np.arange(n_samples), np.diff(matrix.indptr))
    columns = matrix.indices.astype(np.int64)
    if not len(matrix.data) or (matrix.data == matrix.data[0]).all():
        distances = np.full(len(rows), np.nan, np.float32)
        return _Links(rows, columns, distances)
    distances = matrix.data.astype(np.float32)
    if not (distances >= 0).all() or not np.isfinite(distances).all():
        raise ValueError(
            "neighbors must hold ones, or distances of zero or more; got a "
            f"{type(neighbors).__name__} with {distances.min():g}: pass "
            "kneighbors_graph(X, n_neighbors, mode='distance')."
        )
    order = np.lexsort((distances, rows))
    return _Links(rows, columns, distances).pick(order)


def _from_indices(neighbors: Any, n_samples: int, lowest: int) -> _Links:
    kind, indices = type(neighbors).__name__, _as_array(neighbors)
    if indices.ndim != 2 or indices.dtype.kind not in "iu":
        is_pair = isinstance(neighbors, tuple) and len(neighbors) == 2
        call = "neighbors[1]" if is_pair else "kneighbors_graph(X, n_neighbors)"
        raise TypeError(
            "neighbors must be a NeighborGraph, a sparse matrix or an integer array "
            f"(n, n_neighbors); got a {kind}: pass {call}."
        )
    if len(indices) != n_samples or indices.shape[1] == 0:
        raise ValueError(
            f"neighbors must have a row for each of the {n_samples} samples in X, of "
            f"one neighbour or more; got a {kind} of shape {indices.shape}: pass "
            "kneighbors_graph(X, n_neighbors)."
        )
    outside = (indices < lowest) | (indices >= n_samples)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise ValueError(
            f"neighbors must hold row numbers of X, from 0 to {n_samples - 1}; got "
            f"{indices[row, column]} in row {row} of the {kind}: pass those that "
            "mine_neighbors or NearestNeighbors finds in X."
        )
    rows = np.repeat(np.arange(n_samples), indices.shape[1])
    columns = indices.ravel().astype(np.int64)
    return _Links(rows, columns, np.full(len(rows), np.nan, np.float32))


def _as_array(neighbors: Any) -> NDArray[Any]:
    """Return what may be indices as an array; of another kind, an empty one."""
    if isinstance(neighbors, Tensor):
        return to_numpy(neighbors, "neighbors")
    if not isinstance(neighbors, np.ndarray | list):
        return np.empty(0)
    try:
        return np.asarray(neighbors)
    except ValueError:  # lists of several lengths
        return np.empty(0)


def compare(graph: NeighborGraph, rows: Rows, metric: str) -> NeighborGraph:
    """Return a graph whose similarities were unknown, with those of the samples' rows.

    Parameters
    ----------
    graph : NeighborGraph
        As `graph_from_arrays` returns it, without gaps.
    rows : Tensor or MappedRows, shape (n, n_features)
        The features.
    metric : {"cosine", "euclidean"}
        What similarities are; cosines are those about the mean.
    """
    indices, similarities = graph.indices.copy(), graph.similarities.copy()
    mean = rows.mean(dim=0)
    most = rows_at_once((graph.n_neighbors + 1) * rows.shape[1], _MOST_NUMBERS)
    for block in row_slices(graph.n_samples, most):
        near = graph.indices[block]
        own = _pick(rows, np.arange(block.start, block.stop)) - mean
        others = (_pick(rows, near.ravel()) - mean).reshape(*near.shape, -1)
        found = _similarity(own.unsqueeze(1), others, metric).cpu().numpy()
        order = np.argsort(-found, axis=1, kind="stable")
        indices[block] = np.take_along_axis(near, order, axis=1)
        similarities[block] = np.take_along_axis(found, order, axis=1)
    return replace(graph, indices=indices, similarities=similarities, metric=metric)


def _similarity(own: Tensor, others: Tensor, metric: str) -> Tensor:
    """Return those of samples (b, 1, d) to their neighbours (b, k, d), as (b, k)."""
    if metric == "euclidean":
        distances: Tensor = torch.linalg.vector_norm(own - others, dim=2)
        return -distances
    return (F.normalize(own, dim=2) * F.normalize(others, dim=2)).sum(dim=2)


def _pick(rows: Rows, numbers: NDArray[np.int64]) -> Tensor:
    return rows.index_select(0, torch.from_numpy(numbers).to(rows.device))


def is_compared(graph: NeighborGraph) -> bool:
    """Tell whether the similarities of a graph are known."""
    return bool((~np.isnan(graph.similarities[graph.indices >= 0])).all())
