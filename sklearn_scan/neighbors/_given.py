"""A graph of neighbours given to `fit`: its checks, and unreadable images in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.rows import row_blocks
from sklearn_scan.neighbors._graph import NeighborGraph

_HINT = (
    "mine_neighbors makes such a graph; in a cross-validation it fits "
    "TransductiveSplit only."
)
_ROUNDING = 1e-3
_LEAST = np.finfo(np.float32).min  # infinite distances are none
_KINDS = {
    "cosine": ("cosines, from -1 to 1", "Distances are no similarities."),
    "euclidean": ("negative distances", "The nearest has the largest."),
}


def check_given(neighbors: object, n_samples: int, *, gaps: bool) -> NeighborGraph:
    """Return `neighbors` if it is a graph of the samples; with `gaps`, -1 is valid."""
    if not isinstance(neighbors, NeighborGraph):
        kind = type(neighbors).__name__
        raise TypeError(f"neighbors must be a NeighborGraph; got {kind}. {_HINT}")
    indices = neighbors.indices
    if len(indices) != n_samples or neighbors.n_neighbors == 0:
        raise ValueError(
            f"neighbors must have a row for each of the {n_samples} samples in X, of "
            f"one neighbour or more; its indices have shape {indices.shape}. {_HINT}"
        )
    if indices.dtype.kind != "i":
        raise TypeError(
            "neighbors.indices must be signed integers, such as int64; got "
            f"{indices.dtype}."
        )
    _check_range(indices, -1 if gaps else 0)
    _check_order(neighbors)
    return neighbors


def _check_order(neighbors: NeighborGraph) -> None:
    is_cosine = neighbors.metric == "cosine"
    for block in row_blocks(*neighbors.indices.shape):
        rows = np.asarray(neighbors.similarities[block])
        known = rows[neighbors.indices[block] >= 0]
        rounding = _ROUNDING if is_cosine else _ROUNDING * np.abs(rows[:, 1:])
        lowest, highest = (-1 - _ROUNDING, 1 + _ROUNDING) if is_cosine else (_LEAST, 0)
        are_valid = (known >= lowest) & (known <= highest)
        if not are_valid.all() or (np.diff(rows, axis=1) > rounding).any():
            kind, hint = _KINDS[neighbors.metric]
            raise ValueError(
                f"neighbors.similarities must be {kind}, of the most similar first; "
                f"rows from {block.start} on are not. {hint}"
            )


def _check_range(indices: NDArray[np.integer], least: int) -> None:
    n_samples = len(indices)
    for block in row_blocks(*indices.shape):
        rows = indices[block]
        outside = (rows < least) | (rows >= n_samples)
        if outside.any():
            row, column = np.argwhere(outside)[0]
            raise ValueError(
                f"neighbors.indices must be row numbers of X, from 0 to "
                f"{n_samples - 1}; got {rows[row, column]} in row {block.start + row}."
            )
        itself = np.arange(block.start, block.stop)[:, np.newaxis] == rows
        if itself.any():
            raise ValueError(
                "neighbors.indices must not name a sample as its own neighbour; row "
                f"{block.start + int(np.argwhere(itself)[0, 0])} does. Ask for one "
                "neighbour more, and leave each sample itself out."
            )


def among_readable(
    neighbors: NeighborGraph, readable: NDArray[np.int64]
) -> NeighborGraph:
    """Return the graph of the readable samples alone: the inverse of `spread`."""
    n_samples = len(neighbors.indices)
    if len(readable) == n_samples and neighbors.indices.min() >= 0:
        return neighbors
    place = np.full(n_samples + 1, -1)  # the last one is for the index -1
    place[readable] = np.arange(len(readable))
    indices = place[neighbors.indices[readable]]
    if (indices < 0).any():
        row = readable[np.argwhere(indices < 0)[0, 0]]
        raise ValueError(
            f"neighbors has rows, row {row} the first, that name no sample (-1) or "
            "images which cannot be read. Mine among the readable ones: leave out of "
            "X, and of what the graph is made of, those that `bad_images_` of an "
            "encoder lists."
        )
    return replace(
        neighbors, indices=indices, similarities=neighbors.similarities[readable]
    )
