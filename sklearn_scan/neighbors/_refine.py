"""More exact similarities of neighbours that were found, and their order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.core.rows import row_blocks
from sklearn_scan.neighbors._top_k import sort_by_index
from sklearn_scan.neighbors._vectors import UnitVectors

__all__ = ["order_closely", "rank"]

# More than the rounding errors of products in single precision: neighbours whose
# similarities differ by less may be in the wrong order.
_CLOSE = 2e-6


def rank(
    vectors: UnitVectors,
    queries: NDArray[np.int64],
    candidates: Tensor,
    *,
    exactly: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sort candidates by their similarities to each query, and equal ones by index.

    Parameters
    ----------
    vectors : UnitVectors
        All samples.
    queries : ndarray of int64, shape (m,)
        Some of the samples.
    candidates : Tensor of int64, shape (m, c)
        Other samples for each query; -1 stands for none.
    exactly : bool, default=False
        Whether to compute in double precision.

    Returns
    -------
    similarities : Tensor of float32, shape (m, c)
        Largest first; -inf of no candidate.
    candidates : Tensor of int64, shape (m, c)
    """
    read = vectors.exact if exactly else vectors.unit
    ranked = torch.empty_like(candidates)
    similarities = torch.empty_like(candidates, dtype=torch.float32)
    n_queries, n_candidates = candidates.shape
    for block in row_blocks(n_queries, n_candidates * vectors.dim):
        some = candidates[block]
        pairs = read(some.clamp_min(0).flatten().cpu().numpy())  # (b * c, d)
        asked = read(queries[block]).unsqueeze(2)  # (b, d, 1)
        products = torch.unflatten(pairs, 0, some.shape).bmm(asked).squeeze(2)  # (b, c)
        products.masked_fill_(some < 0, -torch.inf)
        similarities[block], ranked[block] = sort_by_index(products, some)
    return similarities, ranked


def order_closely(
    vectors: UnitVectors,
    queries: NDArray[np.int64],
    similarities: Tensor,
    candidates: Tensor,
    k: int,
) -> tuple[Tensor, Tensor]:
    """Return the first k candidates, with those of close similarities put in order.

    Parameters
    ----------
    vectors, queries, candidates
        As for `rank`.
    similarities : Tensor of float32, shape (m, c)
        The similarities of the candidates, largest first, in single precision.
    k : int
        The number of candidates to keep, at most c.
    """
    gaps = similarities[:, :-1] - similarities[:, 1:]
    close = (gaps[:, :k] < _CLOSE).any(dim=1).nonzero().flatten()
    if len(close):
        anew = rank(
            vectors, queries[close.cpu().numpy()], candidates[close], exactly=True
        )
        similarities[close], candidates[close] = anew
    return similarities[:, :k], candidates[:, :k]
