"""The number of faiss's threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads_of_torch() -> Iterator[None]:
    """Let faiss use as many threads as torch inside the block."""
    import faiss  # imported where it is used, so that the rest works without it

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(torch.get_num_threads())
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
