"""A sample of many samples, for what need not look at all of them.

Axes, partitions and scores hardly change with more samples than these, while their
time and memory grow without bound. Up to so many, all are taken, in their order.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.core.mapped_rows import Rows

__all__ = ["MOST_DRAWN", "count_drawn", "draw_rows", "draw_sample"]

MOST_DRAWN = 2**16


def count_drawn(n_samples: int) -> int:
    """Return how many of so many samples are drawn: all, if they are few."""
    return min(n_samples, MOST_DRAWN)


def draw_rows(n_samples: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of the samples drawn, ascending."""
    if n_samples == count_drawn(n_samples):
        return np.arange(n_samples)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_samples, count_drawn(n_samples), replace=False))


def draw_sample(rows: Rows, seed: int) -> Tensor:
    """Return the samples drawn, in memory; a tensor of few is returned as it is."""
    if isinstance(rows, Tensor) and len(rows) == count_drawn(len(rows)):
        return rows
    drawn = torch.from_numpy(draw_rows(len(rows), seed))
    return rows.index_select(0, drawn.to(rows.device))
