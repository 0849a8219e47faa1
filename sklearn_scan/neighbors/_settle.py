"""The neighbours of exact searches, from the best candidates in single precision."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.core.rows import row_blocks, row_slices
from sklearn_scan.neighbors._points import Points, negative_distances
from sklearn_scan.neighbors._refine import AnyVectors, collect, refine
from sklearn_scan.neighbors._top_k import Found, largest, merge, no_neighbors

# Queries compared at once. Those that any of them may be near to are compared with all
# of them: more queries would have more such samples.
_ASKED = 2**5


def settle(
    vectors: AnyVectors, queries: NDArray[np.int64], found: Found, k: int
) -> Found:
    """Return the first k of the candidates found, on the CPU, in their exact order.

    Where others may be nearer, as single precision tells distances, all are searched.
    """

    def order(some: NDArray[np.int64]) -> Found:
        return refine(vectors, queries[some], (found[0][some], found[1][some]), k)

    nearest = collect(np.arange(len(queries)), k, order)
    candidates = found[0]
    if isinstance(vectors, Points) and candidates.shape[1] < len(vectors) - 1:
        floor = vectors.floor(queries, nearest[0][:, -1])
        # nobody who is no candidate has a larger product than the last candidate
        unsure = (candidates[:, -1] >= floor).nonzero().flatten()
        asked, floor = queries[unsure.cpu().numpy()], floor[unsure]
        anew = _search_above(vectors, asked, floor, k)
        for kept, better in zip(nearest, anew, strict=True):
            kept[unsure.cpu()] = better.to(kept)
    return nearest


def _search_above(
    points: Points, queries: NDArray[np.int64], floor: Tensor, k: int
) -> Found:
    """Return the k nearest of all whose products reach a floor, in double precision."""
    found = no_neighbors(len(queries), k, points.device, torch.float64)
    for block in row_blocks(len(points), max(points.width, _ASKED)):
        others = points.compared(block)
        for rows in row_slices(len(queries), _ASKED):
            asked = queries[rows]
            products = points.asking(points.compared(asked)) @ others.T
            above = (products >= floor[rows].unsqueeze(1)).any(dim=0)
            possible = block.start + above.nonzero().flatten()
            near = _compare(points, asked, possible.cpu().numpy())
            near, places = largest(near, min(k, len(possible)))
            known = found[0][rows], found[1][rows]
            found[0][rows], found[1][rows] = merge(known, (near, possible[places]), k)
    return found


def _compare(
    points: Points, queries: NDArray[np.int64], others: NDArray[np.int64]
) -> Tensor:
    """Return the similarities (m, c) of queries and others, -inf of one and itself."""
    similarities = negative_distances(points.exact(queries), points.exact(others))
    is_itself = torch.from_numpy(queries[:, np.newaxis] == others)
    return similarities.masked_fill_(is_itself.to(similarities.device), -torch.inf)
