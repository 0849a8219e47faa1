"""A random draw of samples, where there are many.

Axes, partitions and scores hardly change with more samples than `MOST_DRAWN`, or than a
caller asks for, while their time and memory grow without bound. Of fewer samples, all
are taken.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.core.mapped_rows import Rows

MOST_DRAWN = 2**16


def count_drawn(n_samples: int, most: int | None = None) -> int:
    """Return the number of samples to draw, of `n_samples`: all, if they are few."""
    return min(n_samples, MOST_DRAWN if most is None else most)


def draw_rows(n_samples: int, seed: int, most: int | None = None) -> NDArray[np.int64]:
    """Return the indices of the samples drawn, in ascending order."""
    n_drawn = count_drawn(n_samples, most)
    if n_samples == n_drawn:
        return np.arange(n_samples)
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(n_samples, n_drawn, replace=False))


def draw_sample(rows: Rows, seed: int, most: int | None = None) -> Tensor:
    """Return the samples drawn, as a tensor; a tensor of few samples as it is."""
    if isinstance(rows, Tensor) and len(rows) == count_drawn(len(rows), most):
        return rows
    drawn = torch.from_numpy(draw_rows(len(rows), seed, most))
    return rows.index_select(0, drawn.to(rows.device))
