"""More exact similarities of neighbours that were found, and their order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_scan.core.rows import row_blocks, row_slices
from sklearn_scan.neighbors._points import Points
from sklearn_scan.neighbors._top_k import Found, sort_by_index
from sklearn_scan.neighbors._unit_vectors import UnitVectors

# More than the rounding errors of products in single precision: neighbours whose
# similarities differ by less may be in the wrong order.
_CLOSE = 2e-6
BATCH = 2**12  # samples searched for at once

AnyVectors = UnitVectors | Points
# From queries (b,) and others (b, c) to their similarities (b, c).
_Compare = Callable[[NDArray[np.int64], NDArray[np.int64]], Tensor]


def refine(
    vectors: AnyVectors,
    queries: NDArray[np.int64],
    found: Found,
    k: int,
    *,
    compressed: bool = False,
) -> Found:
    """Return the first k of candidates found; similarities of full precision."""
    if isinstance(vectors, Points):
        found = _rank(vectors.similarities, vectors.dim, queries, found[1])
    else:
        if compressed:
            found = _rank(vectors.rounded, vectors.dim, queries, found[1])
        found = _order_closely(vectors, queries, found, k)
    return found[0][:, :k], found[1][:, :k]


def _rank(
    compare: _Compare, dim: int, queries: NDArray[np.int64], candidates: Tensor
) -> Found:
    """Sort candidates (m, c), -1 for none, by similarity, and equal ones by index."""
    ranked = torch.empty_like(candidates)
    similarities = torch.empty_like(candidates, dtype=torch.float32)
    n_queries, n_candidates = candidates.shape
    for block in row_blocks(n_queries, n_candidates * dim):
        some = candidates[block]
        compared = compare(queries[block], some.clamp_min(0).cpu().numpy())
        compared.masked_fill_(some < 0, -torch.inf)
        similarities[block], ranked[block] = sort_by_index(compared, some)
    return similarities, ranked


def _order_closely(
    vectors: UnitVectors, queries: NDArray[np.int64], found: Found, k: int
) -> Found:
    """Return those found, with close similarities among the first k put in order."""
    similarities, candidates = found
    gaps = similarities[:, :-1] - similarities[:, 1:]
    close = (gaps[:, :k] < _CLOSE).any(dim=1).nonzero().flatten()
    if len(close):
        asked, some = queries[close.cpu().numpy()], candidates[close]
        anew = _rank(vectors.similarities, vectors.dim, asked, some)
        similarities[close], candidates[close] = anew
    return similarities, candidates


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
    batches = list(row_slices(len(order), BATCH))
    for batch in tqdm(batches, desc="neighbours", disable=verbose <= 0):
        rows = order[batch]
        similarities[rows], indices[rows] = (each.cpu() for each in find(rows))
    return similarities, indices
