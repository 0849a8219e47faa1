"""Features as points, compared by their Euclidean distance."""

from __future__ import annotations

import math

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

_SINGLE = torch.finfo(torch.float32)
_MOST_DOUBLINGS = 1000  # more overflow in double precision


class Points(Vectors):
    """The rows (n, d) of an array about their centre, the furthest at a length near 1.

    The similarity of two points is their negative distance. In single precision they
    are compared by minus half the squared distance, which is a product of rows with two
    numbers more: x·y - |x|²/2 - |y|²/2 = (x, 1, -|x|²/2)·(y, -|y|²/2, 1).
    """

    metric = "euclidean"
    rounding = 0.0  # distances are computed in double precision, always in the same way

    def __init__(self, table: np.ndarray | Tensor, device: torch.device) -> None:
        super().__init__(table, device)
        self._scale = 1.0
        self._center = self._find_center()
        blocks = row_blocks(len(self), self.dim)
        norms = (lengths_of(self._scaled(block)) for block in blocks)
        lengths = join_blocks(norms, len(self))
        furthest = float(lengths.max())
        if not 2 * furthest < _SINGLE.max:
            raise ValueError(
                f"features must lie less than {_SINGLE.max:.2g} apart, the largest "
                "distance in single precision: scale them."
            )
        if furthest > 0:  # a power of two: nothing is rounded
            self._scale = 2.0 ** min(-math.frexp(furthest)[1], _MOST_DOUBLINGS)
        self._lengths = lengths * self._scale
        self._is_plain = is_single(table) and (
            furthest == 0 or SHORT < furthest < 1 / SHORT
        )

    @property
    def width(self) -> int:
        """The numbers of a row that `compared` returns."""
        return self.dim + 2

    def compared(self, rows: Rows) -> Tensor:
        """Return rows (y, -|y|²/2, 1) in single precision, (m, d + 2)."""
        result = self._allocate(rows, self.width)
        self._fill(result[:, :-2], rows)
        result[:, -2] = self._lengths[rows].square() / -2
        result[:, -1] = 1
        return result

    def asking(self, compared: Tensor) -> Tensor:
        """Return rows (x, 1, -|x|²/2) of what `compared` returned."""
        result = compared.clone()
        result[:, -2:] = compared[:, -2:].flip(1)
        return result

    def similarities(
        self, queries: NDArray[np.int64], others: NDArray[np.int64]
    ) -> Tensor:
        """Return those of queries (b,) and others (b, c), in double precision."""
        pairs = torch.unflatten(self.exact(others.ravel()), 0, others.shape)
        return negative_distances(self.exact(queries).unsqueeze(1), pairs).squeeze(1)

    def restore(self, similarities: Tensor) -> Tensor:
        """Bring similarities to the scale of the features, in place."""
        return similarities.mul_(1 / self._scale)

    def exact(self, rows: Rows) -> Tensor:
        """Return rows (m, d) whose differences are exact: not about the centre."""
        return self._read(rows, torch.float64).mul_(self._scale)

    def floor(self, queries: NDArray[np.int64], furthest: Tensor) -> Tensor:
        """Return the least product, in single precision, of anyone as near.

        Parameters
        ----------
        queries : ndarray of int64, shape (m,)
            Row numbers.
        furthest : Tensor, shape (m,)
            The least similarity of what is as near to each.

        Returns
        -------
        Tensor of float32, shape (m,)
            Who has a smaller product is further away, in spite of rounding errors.
        """
        own = self._lengths[queries]
        furthest = furthest.to(own)
        # who lies further from the centre than that is further away
        longest = (own - furthest).clamp_max(self._lengths.max())
        # Of a sum of products the error is at most their number times the unit of
        # rounding times the sum of their magnitudes. A few units more are for what is
        # multiplied, which was rounded before, for `furthest` and for this bound.
        n_units = self.width + 10
        error = n_units * (_SINGLE.eps / 2) * (own + longest).square() / 2
        error += 2 * n_units * _SINGLE.tiny  # smaller products are lost
        return (-furthest.square() / 2 - error).float()

    def _find_center(self) -> Tensor:
        """Return the median of some rows, (d,): far samples do not move it."""
        # The nearer samples lie to the centre, the less of their distances is lost. A
        # number of the features themselves, it is exact in their precision.
        step = len(list(row_blocks(len(self), self.dim)))  # for one block of rows
        some = np.arange(0, len(self), step)
        return self._read(some, torch.float64).median(dim=0).values

    def _scaled(self, rows: Rows) -> Tensor:
        return self._read(rows, torch.float64).sub_(self._center).mul_(self._scale)

    def _plain(self, rows: Rows) -> Tensor:
        read = self._read(rows, torch.float32)
        return read.sub_(self._center.float()).mul_(self._scale)


def negative_distances(asked: Tensor, others: Tensor) -> Tensor:
    """Return those of rows (..., m, d) to others (..., c, d), by their differences."""
    # by products, small distances would be rounding errors
    way = "donot_use_mm_for_euclid_dist"
    return torch.cdist(asked, others, compute_mode=way).neg_()
