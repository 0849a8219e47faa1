"""Features as vectors of length one, read in blocks."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sklearn_scan.core.rows import check_finite_rows, join_blocks, row_blocks

Rows = slice | NDArray[np.int64]

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
_SINGLE = frozenset({"float16", "bfloat16", "float32", "uint8", "int8", "int16"})
_SHORT = 1e-30  # squares of shorter rows underflow in single precision
_LEAST = 1e-140  # the same in double precision
_FAR = 4  # lengths of a row: a more distant mean is subtracted in double precision


class UnitVectors:
    """The rows (n, d) of an array at length one, read and scaled when they are used."""

    def __init__(
        self, table: np.ndarray | Tensor, device: torch.device, *, center: bool = False
    ) -> None:
        check_finite_rows("features", table, np.float64)
        self._table = table
        self.device = device
        self._mean: Tensor | None = None
        blocks = list(row_blocks(len(self), self.dim))
        if center:
            sums = (self._shifted(block).sum(dim=0, keepdim=True) for block in blocks)
            self._mean = join_blocks(sums, len(blocks)).sum(dim=0) / len(self)
        norms = (_lengths(self._shifted(block)) for block in blocks)
        lengths = join_blocks(norms, len(self))
        # divided by infinity, rows of zeros stay zero
        self._lengths = torch.where(lengths > 0, lengths, torch.inf)
        self._is_plain = _is_plain(table, lengths, self._mean)

    def __len__(self) -> int:
        return int(self._table.shape[0])

    @property
    def dim(self) -> int:
        """The number of features."""
        return int(self._table.shape[1])

    def exact(self, rows: Rows) -> Tensor:
        """Return rows at length one, or of zeros, in double precision, (m, d)."""
        return self._shifted(rows).div_(self._lengths[rows].unsqueeze(1))

    def unit(self, rows: Rows) -> Tensor:
        """Return rows at length one, or of zeros, in single precision, (m, d)."""
        n_rows = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        result = torch.empty(n_rows, self.dim, dtype=torch.float32, device=self.device)
        for block in row_blocks(n_rows, self.dim):
            some = _some(rows, block)
            result[block] = self._plain(some) if self._is_plain else self.exact(some)
        return result

    def _plain(self, rows: Rows) -> Tensor:
        """Return the same as `exact`, computed in single precision."""
        read = self._read(rows, torch.float32)
        if self._mean is not None:
            read.sub_(self._mean.float())
        return read.div_(self._lengths[rows].float().unsqueeze(1))

    def _shifted(self, rows: Rows) -> Tensor:
        """Return a copy of rows in double precision, minus the mean if there is one."""
        read = self._read(rows, torch.float64)
        return read if self._mean is None else read.sub_(self._mean)

    def _read(self, rows: Rows, dtype: torch.dtype) -> Tensor:
        """Return a copy of rows, on the device."""
        read = self._table[rows]
        if isinstance(read, Tensor):
            # moved first, then converted: not every device has double precision
            return read.detach().to(self.device).to(dtype, copy=True)
        native = np.array(read, _NUMPY[dtype])  # torch takes no other byte order
        return torch.from_numpy(native).to(self.device)


def _lengths(rows: Tensor) -> Tensor:
    """Return the lengths of rows of double precision, also where squares underflow."""
    lengths: Tensor = rows.norm(dim=1)
    lost = ((lengths < _LEAST) | (lengths > 1 / _LEAST)).nonzero().flatten()
    if len(lost):
        largest = rows[lost].abs().amax(dim=1, keepdim=True)
        scaled = rows[lost] / largest.masked_fill(largest == 0, 1.0)
        lengths[lost] = scaled.norm(dim=1) * largest.squeeze(1)
    return lengths


def _is_plain(table: np.ndarray | Tensor, lengths: Tensor, mean: Tensor | None) -> bool:
    """Tell whether single precision is enough for all rows, and for the mean."""
    name = str(table.dtype) if isinstance(table, Tensor) else table.dtype.name
    if name.removeprefix("torch.") not in _SINGLE:
        return False
    known = lengths[lengths > 0]
    if mean is not None and bool((mean.norm() > _FAR * known).any()):
        return False  # a difference of such large numbers is mostly rounding error
    return bool(((known > _SHORT) & (known < 1 / _SHORT)).all())


def as_table(features: ArrayLike | Tensor) -> np.ndarray | Tensor:
    """Return features as an array, or a tensor, of shape (n, d)."""
    table: np.ndarray | Tensor
    if isinstance(features, Tensor | np.memmap):
        table = features
    else:
        table = np.asarray(features)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(
            "features must have shape (n, d), with d of one or more; got shape "
            f"{tuple(table.shape)}."
        )
    if isinstance(table, Tensor):
        is_real = not table.is_complex()
    else:
        is_real = table.dtype.kind in "biuf"
    if not is_real:
        raise ValueError(f"features must be real numbers; got {table.dtype}.")
    return table


def _some(rows: Rows, block: slice) -> Rows:
    if isinstance(rows, slice):
        return slice(rows.start + block.start, rows.start + block.stop)
    return rows[block]
