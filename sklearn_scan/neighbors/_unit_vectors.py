"""Features as vectors of length one, compared by their cosine."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.core.rows import join_blocks, row_blocks
from sklearn_scan.neighbors._vectors import (
    SHORT,
    Rows,
    Vectors,
    is_single,
    lengths_of,
)

_FAR = 4  # lengths of a row: a more distant mean is subtracted in double precision


class UnitVectors(Vectors):
    """The rows (n, d) of an array at length one; rows of zeros stay zero."""

    metric = "cosine"
    rounding = 1e-6

    def __init__(
        self, table: np.ndarray | Tensor, device: torch.device, *, center: bool = False
    ) -> None:
        super().__init__(table, device)
        self._mean: Tensor | None = None
        blocks = list(row_blocks(len(self), self.dim))
        if center:
            sums = (self._shifted(block).sum(dim=0, keepdim=True) for block in blocks)
            self._mean = join_blocks(sums, len(blocks)).sum(dim=0) / len(self)
        norms = (lengths_of(self._shifted(block)) for block in blocks)
        lengths = join_blocks(norms, len(self))
        # divided by infinity, rows of zeros stay zero
        self._lengths = torch.where(lengths > 0, lengths, torch.inf)
        self._is_plain = is_single(table) and _is_plain(lengths, self._mean)

    def similarities(
        self, queries: NDArray[np.int64], others: NDArray[np.int64]
    ) -> Tensor:
        """Return the cosines of queries (b,) and others (b, c), in double precision."""
        return _products(self._scaled(queries), self._scaled(others.ravel()))

    def rounded(self, queries: NDArray[np.int64], others: NDArray[np.int64]) -> Tensor:
        """Return the same in single precision."""
        return _products(self.single(queries), self.single(others.ravel()))

    def _scaled(self, rows: Rows) -> Tensor:
        return self._shifted(rows).div_(self._lengths[rows].unsqueeze(1))

    def _plain(self, rows: Rows) -> Tensor:
        read = self._read(rows, torch.float32)
        if self._mean is not None:
            read.sub_(self._mean.float())
        return read.div_(self._lengths[rows].float().unsqueeze(1))

    def _shifted(self, rows: Rows) -> Tensor:
        """Return a copy of rows in double precision, minus the mean if there is one."""
        read = self._read(rows, torch.float64)
        return read if self._mean is None else read.sub_(self._mean)


def _products(asked: Tensor, others: Tensor) -> Tensor:
    """Return the products (b, c) of rows (b, d) with c others each, (b * c, d)."""
    pairs = torch.unflatten(others, 0, (len(asked), -1))  # (b, c, d)
    products: Tensor = pairs.bmm(asked.unsqueeze(2)).squeeze(2)
    return products


def _is_plain(lengths: Tensor, mean: Tensor | None) -> bool:
    """Tell whether single precision is enough for all rows, and for the mean."""
    known = lengths[lengths > 0]
    if mean is not None and bool((mean.norm() > _FAR * known).any()):
        return False  # a difference of such large numbers is mostly rounding error
    return bool(((known > SHORT) & (known < 1 / SHORT)).all())
