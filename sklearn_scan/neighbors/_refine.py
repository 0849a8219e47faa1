"""More exact similarities of neighbours that were found, and their order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from sklearn_scan.core.rows import row_blocks, row_slices
from sklearn_scan.neighbors._top_k import Found, sort_by_index
from sklearn_scan.neighbors._vectors import UnitVectors

# More than the rounding errors of products in single precision: neighbours whose
# similarities differ by less may be in the wrong order.
_CLOSE = 2e-6
_BATCH = 2**12  # samples searched for at once


def rank(
    vectors: UnitVectors,
    queries: NDArray[np.int64],
    candidates: Tensor,
    *,
    exactly: bool = False,
) -> Found:
    """Sort candidates (m, c), -1 for none, by similarity, and equal ones by index."""
    read = vectors.exact if exactly else vectors.unit  # in double or single precision
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
    vectors: UnitVectors, queries: NDArray[np.int64], found: Found, k: int
) -> Found:
    """Return the first k of those found, with close similarities put in order."""
    similarities, candidates = found
    gaps = similarities[:, :-1] - similarities[:, 1:]
    close = (gaps[:, :k] < _CLOSE).any(dim=1).nonzero().flatten()
    if len(close):
        anew = rank(
            vectors, queries[close.cpu().numpy()], candidates[close], exactly=True
        )
        similarities[close], candidates[close] = anew
    return similarities[:, :k], candidates[:, :k]


def order_in_batches(
    vectors: UnitVectors, queries: NDArray[np.int64], found: Found, k: int
) -> Found:
    """Return the same as `order_closely` for many queries, on the CPU."""

    def order(some: NDArray[np.int64]) -> Found:
        return order_closely(
            vectors, queries[some], (found[0][some], found[1][some]), k
        )

    return collect(np.arange(len(queries)), k, order)


def collect(
    order: NDArray[np.int64],
    k: int,
    find: Callable[[NDArray[np.int64]], Found],
    *,
    verbose: int = 0,
) -> Found:
    """Return the results of `find` for all samples, in memory allocated once."""
    similarities = torch.empty(len(order), k, dtype=torch.float32)
    indices = torch.empty(len(order), k, dtype=torch.int64)
    batches = list(row_slices(len(order), _BATCH))
    for batch in tqdm(batches, desc="neighbours", disable=verbose <= 0):
        rows = order[batch]
        similarities[rows], indices[rows] = (each.cpu() for each in find(rows))
    return similarities, indices
