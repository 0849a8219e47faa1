"""All pairs of samples compared, each once, in blocks of bounded memory.

A product of the vectors of some samples with those of later ones holds the similarities
of both, which are each other's. So half of the products are enough.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from sklearn_scan.core.rows import row_slices
from sklearn_scan.neighbors._collect import Found, collect
from sklearn_scan.neighbors._exact import MARGIN, TorchSearch, block_shape
from sklearn_scan.neighbors._refine import order_closely
from sklearn_scan.neighbors._top_k import largest, merge
from sklearn_scan.neighbors._vectors import UnitVectors

__all__ = ["compare_all_pairs"]

_CHUNK = 2**13  # columns of a block that are looked at at once
_MANY = 8  # times k: of more that wait for a sample, the best are taken first


def compare_all_pairs(vectors: UnitVectors, k: int, *, verbose: int = 0) -> Found:
    """Return the k nearest other samples of every sample, most similar first.

    Parameters
    ----------
    vectors : UnitVectors
        All samples.
    k : int
        How many neighbours, fewer than samples.
    verbose : int, default=0
        Above zero, shows a progress bar.

    Returns
    -------
    similarities : Tensor of float32, shape (n, k)
    indices : Tensor of int64, shape (n, k)
    """
    n_samples = len(vectors)
    nearest = _Nearest(n_samples, min(k + MARGIN, n_samples - 1), vectors.device)
    search = TorchSearch()
    with tqdm(
        total=n_samples, desc="neighbours", unit="sample", disable=verbose <= 0
    ) as progress:
        n_columns, n_rows = block_shape(n_samples, vectors.dim, vectors.device)
        for columns in row_slices(n_samples, n_columns):
            later = vectors.unit(columns)
            for rows in row_slices(columns.start, n_rows):
                product = search.multiply(vectors.unit(rows), later)
                nearest.update(product, rows, columns)
            for own in row_slices(len(later), n_rows):
                product = search.multiply(later[own], later[own.start :])
                product.diagonal().fill_(-torch.inf)  # nobody is their own neighbour
                rows = slice(columns.start + own.start, columns.start + own.stop)
                nearest.update(product, rows, slice(rows.start, columns.stop))
            nearest.keep_waiting()
            progress.update(len(later))

    def finish(samples: NDArray[np.int64]) -> Found:
        return order_closely(vectors, samples, *nearest.of(samples), k)

    return collect(np.arange(n_samples), k, finish)


class _Nearest:
    """The nearest of each sample among those that it was compared with so far.

    What is found for later samples waits until there is much of it, since keeping the
    nearest of few at a time takes longer than finding them.

    Parameters
    ----------
    n_samples, k : int
        Of how many samples to keep how many.
    device : torch.device
        Where to keep them.
    """

    def __init__(self, n_samples: int, k: int, device: torch.device) -> None:
        self._k = k
        self._similarities = torch.full(
            (n_samples, k), -torch.inf, dtype=torch.float32, device=device
        )
        self._indices = torch.full((n_samples, k), -1, device=device)
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self._n_waiting = 0

    def of(self, samples: NDArray[np.int64]) -> Found:
        """Return the similarities and the indices of the nearest of some samples."""
        return self._similarities[samples], self._indices[samples]

    def update(self, product: Tensor, rows: slice, columns: slice) -> None:
        """Take in the similarities of some samples to later ones.

        Parameters
        ----------
        product : Tensor of shape (m, at least c)
            The similarities; beyond the columns, -inf.
        rows, columns : slice
            The m and the c samples. Where they begin with the same, the first m columns
            are the rows themselves.
        """
        n_columns = columns.stop - columns.start
        begin = max(columns.start, rows.stop)
        for chunk in row_slices(columns.stop - begin, _CHUNK):
            later = slice(begin + chunk.start, begin + chunk.stop)
            part = product[:, later.start - columns.start : later.stop - columns.start]
            self._find_later(part, rows.start, later)
        if self._n_waiting > self._k * n_columns:
            self.keep_waiting()
        near, places = largest(product, min(self._k, n_columns))
        self._merge(rows, near, columns.start + places)

    def _find_later(self, part: Tensor, first_row: int, columns: slice) -> None:
        """Take in the similarities (m, c) of later samples to the rows."""
        floor = self._similarities[columns, -1]
        if not bool(floor.isinf().any()):
            rows, places = (part > floor).nonzero(as_tuple=True)
            if len(rows) <= self._k * len(floor):
                found = columns.start + places, first_row + rows, part[rows, places]
                self._waiting.append(found)
                self._n_waiting += len(rows)
                return
        # Of samples that little is known of, nearly all would wait.
        near, places = largest(part.T.contiguous(), min(self._k, len(part)))
        self._merge(columns, near, first_row + places)

    def keep_waiting(self) -> None:
        """Keep the nearest of the pairs that wait."""
        if not self._n_waiting:
            return
        samples, indices, similarities = map(
            torch.cat, zip(*self._waiting, strict=True)
        )
        self._waiting, self._n_waiting = [], 0
        self._merge(*_by_sample(samples, indices, similarities, _MANY * self._k))

    def _merge(
        self, samples: slice | Tensor, similarities: Tensor, indices: Tensor
    ) -> None:
        """Keep the k nearest of those known and of others."""
        known = self._similarities[samples], self._indices[samples]
        found = merge(known, (similarities, indices), self._k)
        self._similarities[samples], self._indices[samples] = found


def _by_sample(
    samples: Tensor, indices: Tensor, similarities: Tensor, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what was found for samples as tables, of a row for each sample.

    Parameters
    ----------
    samples, indices, similarities : Tensor of shape (p,)
        Pairs of samples: for which, with which, and how similar they are.
    most : int
        How many columns to fill at most; of more in a row, the best are taken.

    Returns
    -------
    samples : Tensor of int64, shape (s,)
        Those of the rows.
    similarities : Tensor of float32, shape (s, c)
        -inf where there is none.
    indices : Tensor of int64, shape (s, c)
        -1 where there is none.
    """
    rows, counts = torch.unique(samples, return_counts=True)
    order = samples.argsort(stable=True)
    width = int(counts.max())
    if width > most:  # the table would be wide for the sake of a few
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
    whose = indices.new_full(near.shape, -1)
    whose[places, slots] = indices[order]
    return rows, near, whose
