"""A search for neighbours by inverted files."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.neighbors._inverted_files import InvertedFiles
from sklearn_scan.neighbors._refine import AnyVectors, refine
from sklearn_scan.neighbors._top_k import Found

# Candidates beyond the number of neighbours; more where similarities are rounded.
_MARGIN, _SHARE_OF_ROUNDED = 8, 0.5


@dataclass
class Search:
    """Search by inverted files, with similarities of full precision."""

    vectors: AnyVectors
    k: int
    files: InvertedFiles
    compressed: bool

    def without_data(self) -> Search:
        """Return what is small of it: without vectors and index."""
        vectors = self.vectors.with_table(None)
        files = self.files.with_index(None, vectors)
        return replace(self, vectors=vectors, files=files)

    def with_data(self, table: np.ndarray, index: Path) -> Search:
        """Return the search of an array and of the index in a file."""
        vectors = self.vectors.with_table(table)
        return replace(
            self, vectors=vectors, files=self.files.with_index(index, vectors)
        )

    def __call__(self, queries: NDArray[np.int64], n_probes: int) -> Found:
        """Return the nearest in `n_probes` lists, or in more if these hold too few."""
        rounded = math.ceil(_SHARE_OF_ROUNDED * self.k) if self.compressed else 0
        n_candidates = min(self.k + _MARGIN + rounded, len(self.vectors) - 1)
        found = self.files.search(queries, n_candidates, n_probes)
        similarities, indices = refine(
            self.vectors, queries, found, self.k, compressed=self.compressed
        )
        short = (indices[:, -1] < 0).nonzero().flatten().numpy()
        if len(short):
            similarities[short], indices[short] = self(queries[short], 2 * n_probes)
        return similarities, indices
