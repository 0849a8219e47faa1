"""Inverted files: vectors in lists about centres, of which a few are searched.

Source: Sivic and Zisserman, "Video Google", ICCV 2003; by faiss (Johnson, Douze and
Jégou, "Billion-scale similarity search with GPUs", IEEE Transactions on Big Data 2019).
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray

from sklearn_scan.core import disk
from sklearn_scan.core.rows import row_blocks
from sklearn_scan.neighbors._faiss import threads_of_torch
from sklearn_scan.neighbors._top_k import Found, sort_by_index
from sklearn_scan.neighbors._vectors import Rows, Vectors

if TYPE_CHECKING:
    import faiss

# The number of lists, times the root of the number of samples; the fewest samples of a
# list; and the samples of a list from which k-means finds its centre.
_LISTS, _LEAST_OF_LIST, _TRAINING_OF_LIST = 2, 40, 64
_TRAINING_STEPS = 8
_MOST_LISTS_ON_GPU = 2048  # faiss searches no more lists there


class InvertedFiles:
    """An index of vectors in lists about centres."""

    def __init__(
        self,
        vectors: Vectors,
        *,
        compressed: bool,  # to eight bits a number, a quarter of the memory
        rng: np.random.RandomState,
        device: torch.device,  # a GPU searches if faiss was built for it
    ) -> None:
        self._vectors = vectors
        n_samples = len(vectors)
        n_lists = round(_LISTS * n_samples**0.5)
        self.n_lists = max(1, min(n_lists, n_samples // _LEAST_OF_LIST))
        with threads_of_torch():
            self._index = _make_index(vectors, self.n_lists, compressed, rng)
            n_drawn = min(n_samples, _TRAINING_OF_LIST * self.n_lists)
            drawn = np.sort(rng.permutation(n_samples)[:n_drawn])
            self._index.train(self._read(drawn))
            lists = self._assign()
            # a search in this order finds the lists in the caches
            self.order = np.argsort(lists, kind="stable")
            self._fill(lists)
        self.is_on_cpu = not (
            device.type == "cuda" and self.n_lists <= _MOST_LISTS_ON_GPU
        )
        if not self.is_on_cpu:
            self._index = _to_gpu(self._index, device)

    def write(self, file: Path) -> None:
        """Write the index to a file."""
        import faiss

        disk.write_by_name(file, lambda: faiss.write_index(self._index, str(file)))

    def with_index(self, file: Path | None, vectors: Vectors) -> Self:
        """Return the same lists with the index of a file, mapped; None of none yet."""
        import faiss

        how = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
        index = None if file is None else faiss.read_index(str(file), how)
        files = copy.copy(self)
        vars(files).update(_vectors=vectors, _index=index)
        return files

    def _read(self, rows: Rows) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self._vectors.single(rows).numpy()
        return vectors

    def _assign(self) -> NDArray[np.int64]:
        """Return the list of each sample, that of the nearest centre."""
        lists = np.empty(len(self._vectors), np.int64)
        for rows in row_blocks(len(lists), self._vectors.dim):
            lists[rows] = self._index.quantizer.assign(self._read(rows), 1)[:, 0]
        return lists

    def _fill(self, lists: NDArray[np.int64]) -> None:
        """Put the samples into their lists, each in memory of the right size."""
        # if samples were added one by one, lists would grow by doubling
        sizes = np.bincount(lists, minlength=self.n_lists)
        for number, rows in enumerate(np.split(self.order, sizes.cumsum()[:-1])):
            for block in row_blocks(len(rows), self._vectors.dim):
                self._add(number, rows[block])
        self._index.ntotal = len(lists)

    def _add(self, number: int, rows: NDArray[np.int64]) -> None:
        """Add samples to a list."""
        from faiss import swig_ptr as at

        vectors, numbers = self._read(rows), np.full(len(rows), number)
        codes = np.empty((len(rows), self._index.code_size), np.uint8)
        self._index.encode_vectors(len(rows), at(vectors), at(numbers), at(codes))
        self._index.invlists.add_entries(number, len(rows), at(rows), at(codes))

    def search(self, queries: NDArray[np.int64], k: int, n_probes: int) -> Found:
        """Return the k nearest others in `n_probes` lists; -1 where there are fewer."""
        import faiss

        asked = self._read(queries)
        with threads_of_torch():
            similarities, indices = self._index.search(
                asked, k + 1, params=faiss.SearchParametersIVF(nprobe=n_probes)
            )
        if self._vectors.metric == "euclidean":  # they are squared distances
            np.negative(similarities, out=similarities)
        is_none = (indices == queries[:, np.newaxis]) | (indices < 0)
        similarities[is_none], indices[is_none] = -np.inf, -1
        found = sort_by_index(torch.from_numpy(similarities), torch.from_numpy(indices))
        return found[0][:, :k], found[1][:, :k]


def _make_index(
    vectors: Vectors, n_lists: int, compressed: bool, rng: np.random.RandomState
) -> faiss.IndexIVF:
    import faiss

    dim, is_cosine = vectors.dim, vectors.metric == "cosine"
    metric = faiss.METRIC_INNER_PRODUCT if is_cosine else faiss.METRIC_L2
    centers = faiss.IndexFlat(dim, metric)
    if compressed:
        kind = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(centers, dim, n_lists, kind, metric)
    else:
        index = faiss.IndexIVFFlat(centers, dim, n_lists, metric)
    index.cp.spherical = is_cosine
    index.cp.niter = _TRAINING_STEPS
    index.cp.seed = int(rng.randint(2**31))
    index.cp.min_points_per_centroid = 1  # else faiss warns
    return index


def _to_gpu(index: faiss.IndexIVF, device: torch.device) -> faiss.IndexIVF:
    """Return the index on a GPU, if faiss was built for it."""
    import faiss

    if not hasattr(faiss, "StandardGpuResources"):
        return index
    return faiss.index_cpu_to_gpu(
        faiss.StandardGpuResources(), device.index or 0, index
    )
