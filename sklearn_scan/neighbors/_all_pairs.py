"""Exact search among all samples: each pair is compared once, in bounded memory.

The product of the vectors of some samples with those of later samples holds the
similarities of both. So half of all products are enough.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_scan.core.rows import row_slices
from sklearn_scan.neighbors._exact import MARGIN, TorchSearch, block_shape
from sklearn_scan.neighbors._refine import AnyVectors
from sklearn_scan.neighbors._settle import settle
from sklearn_scan.neighbors._top_k import Found, largest, merge, no_neighbors

_CHUNK = 2**13  # columns of a block that are searched at once
_MOST_WAITING = 8  # times k: of more pairs that wait for a sample, the best are taken


def compare_all_pairs(vectors: AnyVectors, k: int, *, verbose: int = 0) -> Found:
    """Return the k nearest other samples of every sample, most similar first."""
    n_samples = len(vectors)
    none = no_neighbors(n_samples, min(k + MARGIN, n_samples - 1), vectors.device)
    nearest = _Nearest(*none)
    search = TorchSearch()
    with tqdm(
        total=n_samples, desc="neighbours", unit="sample", disable=verbose <= 0
    ) as progress:
        n_columns, n_rows = block_shape(n_samples, vectors.width, vectors.device)
        for columns in row_slices(n_samples, n_columns):
            later = vectors.compared(columns)
            for rows in row_slices(columns.start, n_rows):
                asking = vectors.asking(vectors.compared(rows))
                product = search.multiply(asking, later)
                nearest.update(product, rows, columns)
            for own in row_slices(len(later), n_rows):
                product = search.multiply(
                    vectors.asking(later[own]), later[own.start :]
                )
                product.diagonal().fill_(-torch.inf)  # nobody is their own neighbour
                rows = slice(columns.start + own.start, columns.start + own.stop)
                nearest.update(product, rows, slice(rows.start, columns.stop))
            nearest.merge_waiting()
            progress.update(len(later))

    found = nearest.similarities, nearest.indices
    return settle(vectors, np.arange(n_samples), found, k)


class _Nearest:
    """The nearest neighbours of each sample, among those compared so far."""

    # Pairs found for later samples wait until there are many, since merging few at a
    # time takes longer than finding them.
    def __init__(self, similarities: Tensor, indices: Tensor) -> None:
        self.similarities, self.indices = similarities, indices  # (n, k)
        self._k = similarities.shape[1]
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self._n_waiting = 0

    def update(self, product: Tensor, rows: slice, columns: slice) -> None:
        """Update the neighbours with similarities (m, c) of rows to later columns."""
        # more than c columns are -inf; if rows and columns begin with the same sample,
        # the first m columns are the rows themselves
        n_columns = columns.stop - columns.start
        begin = max(columns.start, rows.stop)
        for chunk in row_slices(columns.stop - begin, _CHUNK):
            later = slice(begin + chunk.start, begin + chunk.stop)
            part = product[:, later.start - columns.start : later.stop - columns.start]
            self._find_later(part, rows.start, later)
        if self._n_waiting > self._k * n_columns:
            self.merge_waiting()
        near, places = largest(product, min(self._k, n_columns))
        self._merge(rows, near, columns.start + places)

    def _find_later(self, part: Tensor, first_row: int, columns: slice) -> None:
        """Add the rows to the neighbours of later samples, from similarities (m, c)."""
        floor = self.similarities[columns, -1]
        if not bool(floor.isinf().any()):
            rows, places = (part > floor).nonzero(as_tuple=True)
            if len(rows) <= self._k * len(floor):
                found = columns.start + places, first_row + rows, part[rows, places]
                self._waiting.append(found)
                self._n_waiting += len(rows)
                return
        # For samples with few neighbours so far, nearly all pairs would wait.
        near, places = largest(part.T.contiguous(), min(self._k, len(part)))
        self._merge(columns, near, first_row + places)

    def merge_waiting(self) -> None:
        """Merge the pairs that wait."""
        if not self._n_waiting:
            return
        samples, indices, near = map(torch.cat, zip(*self._waiting, strict=True))
        self._waiting, self._n_waiting = [], 0
        self._merge(*_by_sample(samples, indices, near, _MOST_WAITING * self._k))

    def _merge(
        self, samples: slice | Tensor, similarities: Tensor, indices: Tensor
    ) -> None:
        """Keep the k nearest of the known neighbours and of others."""
        known = self.similarities[samples], self.indices[samples]
        found = merge(known, (similarities, indices), self._k)
        self.similarities[samples], self.indices[samples] = found


def _by_sample(
    samples: Tensor, indices: Tensor, similarities: Tensor, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return samples (s,), and their pairs (s, c), -inf and -1 in empty places."""
    rows, counts = torch.unique(samples, return_counts=True)
    order = samples.argsort(stable=True)
    width = int(counts.max())
    if width > most:  # else a few samples would make the table wide
        width = most
        best = similarities.argsort(descending=True, stable=True)
        order = best[samples[best].argsort(stable=True)]
    places = torch.arange(len(rows), device=samples.device).repeat_interleave(counts)
    starts = counts.cumsum(dim=0) - counts
    slots = torch.arange(len(samples), device=samples.device) - starts[places]
    kept = slots < width
    places, slots, order = places[kept], slots[kept], order[kept]
    near = similarities.new_full((len(rows), width), -torch.inf)
    near[places, slots] = similarities[order]
    found = indices.new_full(near.shape, -1)
    found[places, slots] = indices[order]
    return rows, near, found
