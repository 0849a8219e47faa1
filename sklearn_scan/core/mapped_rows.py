"""Features in a file: rows of a memory-mapped array, read when they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sklearn_scan.core.rows import join_blocks, row_slices, rows_at_once

# Numbers read from a file at once, 1 MB in single precision, which the caches hold. Of
# larger blocks that come and go, the C library's heap keeps holes of their size.
_AT_ONCE = 2**18
_ROWS_AT_ONCE = 2**14  # of any array


@dataclass(eq=False)
class MappedRows:
    """Rows of a memory-mapped array, with functions applied to them."""

    # It has the operations of a tensor that training needs. They return tensors of
    # float32, on the device; the array is never read whole.

    array: np.ndarray  # (n, d), of any number format, byte order and memory order
    device: torch.device
    functions: tuple[Callable[[Tensor], Tensor], ...] = ()

    def __len__(self) -> int:
        return len(self.array)

    @cached_property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and their width after the functions."""
        return len(self.array), self._finish(read_rows(self.array[:1])).shape[1]

    def through(self, function: Callable[[Tensor], Tensor]) -> MappedRows:
        """Return the rows with one more function applied."""
        return MappedRows(self.array, self.device, (*self.functions, function))

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """Return the rows of these indices, in their order; `dim` is 0."""
        parts = torch.split(index.cpu(), _rows_of_file(self.array))
        return join_blocks((self._pick(part.numpy()) for part in parts), len(index))

    def _pick(self, numbers: NDArray[np.int64]) -> Tensor:
        order = numbers.argsort()  # a file not in memory is read in half the time
        rows = np.empty((len(numbers), self.array.shape[1]), np.float32)
        rows[order] = self.array[numbers[order]]
        return self._finish(torch.from_numpy(rows))

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield all rows in order, `size` at a time, or fewer if they are wide."""
        for rows in row_slices(len(self), min(size, _rows_of_file(self.array))):
            yield self._finish(read_rows(self.array[rows]))

    def mean(self, dim: int) -> Tensor:
        """Return the mean of each column, computed in double precision; `dim` is 0."""
        return self._moments[0].float().to(self.device)

    def std(self, dim: int, correction: int) -> Tensor:
        """Return the deviation of each column; `dim` and `correction` are 0."""
        return self._moments[1].sqrt().float().to(self.device)

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        """The mean and the variance of each column, from one pass over the rows."""
        scaler = StandardScaler()
        for block in self.split(len(self)):
            scaler.partial_fit(block.cpu().double().numpy())
        return torch.from_numpy(scaler.mean_), torch.from_numpy(scaler.var_)

    def _finish(self, rows: Tensor) -> Tensor:
        rows = rows.to(self.device)
        for function in self.functions:
            rows = function(rows)
        return rows


Rows = Tensor | MappedRows


def _rows_of_file(array: np.ndarray) -> int:
    """Return how many rows of an array in a file to read at once."""
    return rows_at_once(array.shape[1], _AT_ONCE)


def is_mapped(X: object) -> bool:
    """Tell whether X is a 2-D array of numbers in a file."""
    # a copy of a memmap is a memmap too, without a mode, and is in memory
    return (
        isinstance(X, np.memmap)
        and X.mode is not None
        and X.ndim == 2
        and X.size > 0
        and X.dtype.kind in "biuf"
    )


def read_rows(rows: np.ndarray) -> Tensor:
    """Return a copy of rows of any number format, as a tensor of float32."""
    # torch takes no foreign byte orders, and warns of read-only arrays
    return torch.from_numpy(rows.astype(np.float32, order="C"))


def read_blocks(array: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
    """Yield the rows of an array in order, as slices and tensors of float32."""
    size = _ROWS_AT_ONCE
    if is_mapped(array):  # of any width
        size = min(size, _rows_of_file(array))
    for rows in row_slices(len(array), size):
        yield rows, read_rows(array[rows])


def through(function: Callable[[Tensor], Tensor], rows: Rows) -> Rows:
    """Apply a function of batches: to a tensor at once, to rows when they are read."""
    return rows.through(function) if isinstance(rows, MappedRows) else function(rows)
