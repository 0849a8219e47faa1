"""Arrays too large to be copied whole: their rows in blocks, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import numpy as np
from torch import Tensor

_BLOCK_ELEMENTS = 2**20  # 8 MB in double precision
_ROWS_NAMED = 5
_LARGEST = 1e16  # sums of many squares of larger numbers are beyond float32


def row_blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Yield slices of rows of `width` numbers, a few MB each, that cover `n_rows`."""
    return row_slices(n_rows, rows_at_once(width, _BLOCK_ELEMENTS))


def row_slices(n_rows: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` rows, the last of what is left, that cover `n_rows`."""
    # scikit-learn's `gen_batches` does the same, and refuses zero rows
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))


def rows_at_once(
    width: int, most_numbers: int, *, least: int = 1, most: int | None = None
) -> int:
    """Return how many rows of `width` numbers to hold at once, between the bounds."""
    n_rows = max(least, most_numbers // max(width, 1))
    return n_rows if most is None else min(n_rows, most)


def join_blocks(blocks: Iterable[Tensor], n_rows: int) -> Tensor:
    """Return one tensor of blocks of rows, `n_rows` in all, filled block by block."""
    # For `torch.cat` all blocks would be kept. They would lie between what is read for
    # each, and leave holes in the heap: half of the memory of a fit from a file.
    blocks = iter(blocks)
    first = next(blocks)
    joined = first.new_empty((n_rows, *first.shape[1:]))
    start = 0
    for block in chain([first], blocks):
        joined[start : start + len(block)] = block
        start += len(block)
    return joined


def check_finite_rows(
    name: str, array: np.ndarray | Tensor, dtype: type[np.floating] = np.float32
) -> None:
    """Raise, naming rows (n, d), if any is not finite in the precision of `dtype`."""
    bad: list[int] = []
    for block in row_blocks(*array.shape):
        rows = array[block]
        if isinstance(rows, Tensor):
            rows = rows.detach().cpu().double().numpy()  # MPS has no doubles
        with np.errstate(over="ignore", invalid="ignore"):
            # in double precision a sum of floats does not overflow
            sums = rows.astype(dtype, copy=False).sum(1, np.float64)
        bad += (block.start + np.flatnonzero(~np.isfinite(sums))).tolist()
    if bad:
        raise ValueError(f"{name} must be finite; {_name_rows(bad)} NaN or infinity.")


def check_size(name: str, array: np.ndarray) -> None:
    """Raise, naming rows (n, d), if any holds a number too large to compute with."""
    bad: list[int] = []
    for block in row_blocks(*array.shape):
        rows = array[block]
        ends = np.stack([rows.min(axis=1), rows.max(axis=1)]).astype(np.float64)
        too_large = (np.abs(ends) > _LARGEST).any(axis=0)
        bad += (block.start + np.flatnonzero(too_large)).tolist()
    if bad:
        raise ValueError(
            f"{name} must hold numbers of at most {_LARGEST:.0e} in size; "
            f"{_name_rows(bad)} larger ones: scale the features."
        )


@contextmanager
def naming_array(name: str) -> Iterator[None]:
    """Put the name of an array into errors of its checks that leave it out."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # which raise errors here
            yield
    except (TypeError, ValueError) as error:
        if name in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} must hold features, one row a sample. {error}") from error


def without_halves(rows: np.ndarray) -> np.ndarray:
    """Return rows in single precision, if they are in half precision."""
    is_half = rows.dtype.kind == "f" and rows.dtype.itemsize == 2
    return rows.astype(np.float32) if is_half else rows


def _name_rows(rows: list[int]) -> str:
    if len(rows) == 1:
        return f"row {rows[0]} contains"
    shown = ", ".join(map(str, rows[:_ROWS_NAMED]))
    more = len(rows) - _ROWS_NAMED
    return f"rows {shown}{f' and {more} more' if more > 0 else ''} contain"
