"""Rows of NaN: images that cannot be read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def readable_rows(embedding: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows that are not NaN: the readable images."""
    return np.flatnonzero(~np.isnan(embedding[:, 0]))


def take_rows(
    embedding: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return some rows, in ascending order: a copy, unless they are all."""
    return embedding if len(rows) == len(embedding) else embedding[rows]
