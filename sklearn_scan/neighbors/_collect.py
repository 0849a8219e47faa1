"""The neighbours of many samples, found some samples at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from sklearn_scan.core.rows import row_slices

__all__ = ["Found", "collect"]

Found = tuple[Tensor, Tensor]  # similarities and indices, (m, k) each
_BATCH = 2**12  # samples asked about at once


def collect(
    order: NDArray[np.int64],
    k: int,
    find: Callable[[NDArray[np.int64]], Found],
    *,
    verbose: int = 0,
) -> Found:
    """Return what `find` finds, in memory that is taken once.

    Parameters
    ----------
    order : ndarray of int64, shape (m,)
        The numbers from 0 to m - 1, in the order in which to ask for them.
    k : int
        How many neighbours are found of each.
    find : callable
        From some of the numbers to the neighbours of each.
    verbose : int, default=0
        Above zero, shows a progress bar.

    Returns
    -------
    similarities : Tensor of float32, shape (m, k)
        By number; on the CPU.
    indices : Tensor of int64, shape (m, k)
    """
    similarities = torch.empty(len(order), k, dtype=torch.float32)
    indices = torch.empty(len(order), k, dtype=torch.int64)
    batches = list(row_slices(len(order), _BATCH))
    for batch in tqdm(batches, desc="neighbours", disable=verbose <= 0):
        rows = order[batch]
        similarities[rows], indices[rows] = (each.cpu() for each in find(rows))
    return similarities, indices
