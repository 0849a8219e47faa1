"""Exact search: samples are compared with all, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_scan.core.rows import row_slices
from sklearn_scan.neighbors._faiss import threads_of_torch
from sklearn_scan.neighbors._methods import free_memory
from sklearn_scan.neighbors._refine import AnyVectors
from sklearn_scan.neighbors._settle import settle
from sklearn_scan.neighbors._top_k import (
    GROUP,
    Found,
    largest,
    merge,
    no_neighbors,
    sort_by_index,
)

# Bytes of vectors and similarities at once. On a CPU more is no faster; a GPU has many
# units to keep busy.
_MOST_BYTES_ON_CPU, _MOST_BYTES_ON_GPU = 2**28, 2**32
_SHARE_OF_FREE = 1 / 8
_MOST_COLUMNS, _LEAST_ROWS = 2**16, 256  # multiples of rows make products faster
# Neighbours found beyond k, to order those with close similarities.
MARGIN = 4


# From the vectors of queries (m, width), their rows in the block, which are not to be
# found (or numbers outside it), the vectors of the block (c, width), and k: to products
# and rows (m, k), largest first and equal ones by row; fewer than k if the block has
# fewer.
BlockSearch = Callable[[Tensor, NDArray[np.int64], Tensor, int], Found]


class TorchSearch:
    """A `BlockSearch` by a matrix product."""

    _memory: Tensor = torch.empty(0)

    def __call__(
        self, asked: Tensor, itself: NDArray[np.int64], others: Tensor, k: int
    ) -> Found:
        """Return the k nearest of others."""
        n_others = len(others)
        similarities = self.multiply(asked, others)
        rows = np.flatnonzero((itself >= 0) & (itself < n_others))
        similarities[rows, itself[rows]] = -torch.inf
        return largest(similarities, min(k, n_others))

    def multiply(self, asked: Tensor, others: Tensor) -> Tensor:
        """Return similarities (m, c or more), which the next call overwrites."""
        # columns of -inf complete the last group
        n_others = len(others)
        whole_groups = -(-n_others // GROUP) * GROUP
        similarities = self._take_memory(asked, whole_groups)
        similarities[:, n_others:] = -torch.inf
        torch.mm(asked, others.T, out=similarities[:, :n_others])
        return similarities

    def _take_memory(self, asked: Tensor, n_columns: int) -> Tensor:
        """Return memory for similarities, that of the call before if it is enough."""
        # writing to new memory would take a tenth of the time of the search
        n_numbers = len(asked) * n_columns
        if self._memory.numel() < n_numbers:
            self._memory = asked.new_empty(n_numbers)
        return self._memory[:n_numbers].view(len(asked), n_columns)


def search_by_faiss(
    asked: Tensor, itself: NDArray[np.int64], others: Tensor, k: int
) -> Found:
    """Return the k nearest of others, a `BlockSearch` as faiss's `IndexFlatIP`."""
    import faiss

    with threads_of_torch():
        found = faiss.knn(
            asked.numpy(),  # on the CPU, as all vectors for faiss
            others.numpy(),
            min(k + 1, len(others)),  # one may be the query itself
            metric=faiss.METRIC_INNER_PRODUCT,
        )
    similarities, rows = (torch.from_numpy(array) for array in found)
    is_itself = rows == torch.from_numpy(itself).unsqueeze(1)
    found = sort_by_index(similarities.masked_fill(is_itself, -torch.inf), rows)
    return found[0][:, :k], found[1][:, :k]


def exact_neighbors(
    vectors: AnyVectors,
    queries: NDArray[np.int64],
    k: int,
    search: BlockSearch,
    *,
    verbose: int = 0,
) -> Found:
    """Return the k nearest other samples of each query, most similar first."""
    n_samples = len(vectors)
    n_columns, n_rows = block_shape(n_samples, vectors.width, vectors.device)
    nearest = no_neighbors(len(queries), min(k + MARGIN, n_samples - 1), vectors.device)
    similarities, indices = nearest
    n_found = similarities.shape[1]
    with tqdm(
        total=len(queries) * n_samples,
        desc="neighbours",
        unit="pair",
        unit_scale=True,
        disable=verbose <= 0,
    ) as progress:
        for block in row_slices(n_samples, n_columns):
            others, first = vectors.compared(block), block.start
            for rows in row_slices(len(queries), n_rows):
                asked = queries[rows]
                asking = vectors.asking(vectors.compared(asked))
                near, columns = search(asking, asked - first, others, n_found)
                found = near, first + columns
                if first or near.shape[1] < n_found:
                    found = merge((similarities[rows], indices[rows]), found, n_found)
                similarities[rows], indices[rows] = found
                progress.update(len(asked) * len(others))
    return settle(vectors, queries, nearest, k)


def block_shape(n_samples: int, width: int, device: torch.device) -> tuple[int, int]:
    """Return the numbers of columns, and of rows, of the similarities held at once."""
    most = _MOST_BYTES_ON_GPU if device.type == "cuda" else _MOST_BYTES_ON_CPU
    n_numbers = int(min(most, _SHARE_OF_FREE * free_memory(device))) // 4
    n_columns = max(1, min(n_samples, _MOST_COLUMNS, n_numbers // width))
    n_rows = n_numbers // (n_columns + width) // _LEAST_ROWS * _LEAST_ROWS
    return n_columns, max(_LEAST_ROWS, n_rows)
