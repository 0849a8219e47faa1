"""Features as vectors that are compared, read in blocks."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from sklearn_scan.core.features import check_dense
from sklearn_scan.core.rows import check_finite_rows, naming_array, row_blocks

Rows = slice | NDArray[np.int64]

SHORT = 1e-30  # squares of shorter rows underflow in single precision
_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
_SINGLE = frozenset({"float16", "bfloat16", "float32", "uint8", "int8", "int16"})
_LEAST = 1e-140  # squares of shorter rows underflow in double precision


class Vectors(ABC):
    """The rows (n, d) of an array, scaled when they are used."""

    metric: ClassVar[str]
    rounding: ClassVar[float]  # similarities that differ by less are taken as equal
    _is_plain: bool  # whether all rows can be computed in single precision

    def __init__(self, table: np.ndarray | Tensor, device: torch.device) -> None:
        check_finite_rows("features", table, np.float64)
        self._table = table
        self.device = device

    @property
    def table(self) -> np.ndarray | Tensor:
        """The array."""
        return self._table

    def with_table(self, table: np.ndarray | None) -> Self:
        """Return the same vectors of an array of the same content; None of none yet."""
        vectors = copy.copy(self)
        vars(vectors).update(_table=table)
        return vectors

    def __len__(self) -> int:
        return int(self._table.shape[0])

    @property
    def dim(self) -> int:
        """The number of features."""
        return int(self._table.shape[1])

    @property
    def width(self) -> int:
        """The numbers of a row that `compared` returns."""
        return self.dim

    def single(self, rows: Rows) -> Tensor:
        """Return rows in single precision, (m, d)."""
        return self._fill(self._allocate(rows, self.dim), rows)

    def compared(self, rows: Rows) -> Tensor:
        """Return rows (m, width) whose products with others' `asking` are compared.

        These are the similarities, or grow with them.
        """
        return self.single(rows)

    def asking(self, compared: Tensor) -> Tensor:
        """Return what `compared` returned, as it is multiplied with that of others."""
        return compared

    @abstractmethod
    def similarities(
        self, queries: NDArray[np.int64], others: NDArray[np.int64]
    ) -> Tensor:
        """Return those of queries (b,) to others (b, c), in double precision."""

    def restore(self, similarities: Tensor) -> Tensor:
        """Bring similarities to the scale of the features, in place."""
        return similarities

    @abstractmethod
    def _scaled(self, rows: Rows) -> Tensor:
        """Return rows computed in double precision, (m, d)."""

    @abstractmethod
    def _plain(self, rows: Rows) -> Tensor:
        """Return the same, computed in single precision."""

    def _allocate(self, rows: Rows, width: int) -> Tensor:
        n_rows = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        return torch.empty(n_rows, width, dtype=torch.float32, device=self.device)

    def _fill(self, result: Tensor, rows: Rows) -> Tensor:
        """Write rows into `result`, (m, d), block by block."""
        for block in row_blocks(len(result), self.dim):
            some = _some(rows, block)
            result[block] = self._plain(some) if self._is_plain else self._scaled(some)
        return result

    def _read(self, rows: Rows, dtype: torch.dtype) -> Tensor:
        """Return a copy of rows, on the device."""
        read = self._table[rows]
        if isinstance(read, Tensor):
            # moved first, then converted: not every device has double precision
            return read.detach().to(self.device).to(dtype, copy=True)
        native = np.array(read, _NUMPY[dtype])  # torch takes no other byte order
        return torch.from_numpy(native).to(self.device)


def lengths_of(rows: Tensor) -> Tensor:
    """Return the lengths of rows of double precision, also where squares underflow."""
    lengths: Tensor = rows.norm(dim=1)
    lost = ((lengths < _LEAST) | (lengths > 1 / _LEAST)).nonzero().flatten()
    if len(lost):
        largest = rows[lost].abs().amax(dim=1, keepdim=True)
        scaled = rows[lost] / largest.masked_fill(largest == 0, 1.0)
        lengths[lost] = scaled.norm(dim=1) * largest.squeeze(1)
    return lengths


def is_single(table: np.ndarray | Tensor) -> bool:
    """Tell whether single precision holds every number of the type of a table."""
    name = str(table.dtype) if isinstance(table, Tensor) else table.dtype.name
    return name.removeprefix("torch.") in _SINGLE


def as_table(features: ArrayLike | Tensor) -> np.ndarray | Tensor:
    """Return features as an array, or a tensor, of shape (n, d)."""
    table: np.ndarray | Tensor
    if isinstance(features, Tensor | np.memmap):
        table = features
    else:
        with naming_array("features"):
            table = np.asarray(features)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(
            "features must have shape (n, d), with d of one or more; got shape "
            f"{tuple(table.shape)}."
        )
    if isinstance(table, Tensor):
        check_dense(table, "features")
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
