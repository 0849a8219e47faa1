"""One pass over images: look up in the cache what it holds, and embed the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from tqdm import tqdm

from sklearn_scan.core.files import durable_path
from sklearn_scan.core.rows import row_slices
from sklearn_scan.encoders.cache import EmbeddingCache
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images import (
    BadImages,
    ImageSource,
    SquareCrop,
    load_batches,
    resolve_workers,
    try_each,
)

_LOOKUP = 1024  # images looked up in the cache at a time
_KEYS_A_JOB = 64

EmbedBatch = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


class EmbeddingArray:
    """The rows of an embedding, in memory or in a .npy file, filled in any order.

    It is made when the first row says how long rows are.

    Parameters
    ----------
    n_rows : int
        The number of images.
    out : path, optional
        A .npy file to write, which appears when it is complete.
    """

    def __init__(self, n_rows: int, out: str | os.PathLike[str] | None) -> None:
        self._n_rows = n_rows
        self._out = None if out is None else Path(out)
        self._array: NDArray[np.float32] | None = None
        if self._out is None:
            return
        if not self._out.name or self._out.is_dir() or not self._out.parent.is_dir():
            raise FileNotFoundError(
                f"out must be a file in a folder that exists; got {str(out)!r}."
            )

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write the file in the block, if there is one to write, durably."""
        if self._out is None:
            yield
            return
        with durable_path(self._out) as self._aside:
            try:
                yield
            finally:
                self._array = None  # closed before it is renamed: Windows asks it

    def __setitem__(self, row: int, vector: NDArray[np.float32]) -> None:
        if self._array is None:
            shape = (self._n_rows, len(vector))
            if self._out is None:
                self._array = np.empty(shape, np.float32)
            else:
                self._array = open_memmap(self._aside, "w+", np.float32, shape)
                if hasattr(os, "posix_fallocate"):
                    # A full disk is an error here; written to, a map of it is a crash.
                    with open(self._aside, "r+b") as file:
                        size = os.path.getsize(self._aside)
                        os.posix_fallocate(file.fileno(), 0, size)
        self._array[row] = vector

    def finish(self, gaps: list[int]) -> None:
        """Fill the rows that are gaps with NaN."""
        assert self._array is not None  # for mypy: some image was readable
        self._array[gaps] = np.nan

    def result(self) -> NDArray[np.float32]:
        """Return the complete array, after the block of `writing`."""
        if self._out is not None:
            self._array = np.load(self._out, mmap_mode="c")
        assert self._array is not None
        return self._array


class EmbeddingPass:
    """Embed images of a source, each once.

    Parameters
    ----------
    source : ImageSource
        The images.
    rows : range
        Which of them to embed.
    embed_batch : callable
        From images (b, size, size, 3) to vectors (b, embed_dim).
    crop : SquareCrop
        Crops and resizes images to that size.
    cache : EmbeddingCache or None
        The embeddings that other passes have kept.
    bad_images : BadImages
        What to do with images that cannot be read.
    """

    def __init__(
        self,
        source: ImageSource,
        rows: range,
        embed_batch: EmbedBatch,
        crop: SquareCrop,
        cache: EmbeddingCache | None,
        bad_images: BadImages,
    ) -> None:
        self._source = source
        self._rows = rows
        self._embed_batch = embed_batch
        self._crop = crop
        self._cache = cache
        self._bad = bad_images
        # Of images that are being embedded: the content key by row, and by content key
        # the other rows of the same content.
        self._keys: dict[int, str] = {}
        self._waiting: dict[str, list[int]] = {}

    def run(
        self,
        *,
        batch_size: int,
        n_jobs: int | None,
        processes: bool,
        out: str | os.PathLike[str] | None,
        verbose: int,
    ) -> NDArray[np.float32]:
        """Return the embedding (n, embed_dim); NaN where an image cannot be read.

        Raises
        ------
        ImageReadError
            If images cannot be read and the policy is "raise", or if none can.
        """
        self._array = EmbeddingArray(len(self._rows), out)
        self._progress = tqdm(
            total=len(self._rows),
            desc="embedding",
            unit="image",
            disable=verbose <= 0,
        )
        batches = load_batches(
            self._source,
            self._crop,
            self._unknown(n_jobs),
            self._bad,
            batch_size=batch_size,
            n_jobs=n_jobs,
            processes=processes,
        )
        try:
            with self._array.writing():
                with self._progress, closing(batches):
                    for rows, images in batches:
                        self._store(rows, self._embed_batch(images))
                self._add_unreadable_copies()
                self._bad.raise_or_warn(len(self._rows))
                gaps = [self._rows.index(failure.row) for failure in self._bad.found]
                self._array.finish(gaps)
            return self._array.result()
        finally:
            if self._cache is not None:
                self._cache.save()

    def _store(self, rows: list[int], vectors: NDArray[np.float32]) -> None:
        for row, vector in zip(rows, vectors, strict=True):
            self._set(row, vector)
            n_done = 1
            if self._cache is not None:
                key = self._keys.pop(row)
                self._cache.add(key, vector)
                copies = self._waiting.pop(key)
                for copy in copies:
                    self._set(copy, vector)
                n_done += len(copies)
            self._progress.update(n_done)

    def _set(self, row: int, vector: NDArray[np.float32]) -> None:
        self._array[self._rows.index(row)] = vector

    def _unknown(self, n_jobs: int | None) -> Iterator[int]:
        """Yield the rows to embed; fill in the others as they are found."""
        checked = False
        for row in self._not_cached(n_jobs):
            if not checked and self._bad.raises:
                # Before the first image is embedded, and the long work begins.
                self._bad.add(self._source.unreadable(self._rows))
            checked = True
            yield row

    def _not_cached(self, n_jobs: int | None) -> Iterator[int]:
        if self._cache is None:
            yield from self._rows
            return
        n_workers = resolve_workers(n_jobs) if self._source.thread_safe else 1
        with ThreadPoolExecutor(n_workers) as pool:
            for part in row_slices(len(self._rows), _LOOKUP):
                yield from self._look_up(self._identify(self._rows[part], pool))

    def _look_up(self, keys: dict[int, str]) -> Iterator[int]:
        """Fill in the rows that the cache knows; of other contents, yield one row."""
        assert self._cache is not None  # for mypy: _not_cached has looked
        known = self._cache.read(list(keys.values()))
        for row, key in keys.items():
            if key in known:
                self._set(row, known[key])
                self._progress.update()
            elif key in self._waiting:
                self._waiting[key].append(row)
            else:
                self._keys[row] = key
                self._waiting[key] = []
                yield row

    def _identify(self, rows: range, pool: ThreadPoolExecutor) -> dict[int, str]:
        """Return the content keys of those rows whose files can be opened."""
        parts = [rows[part] for part in row_slices(len(rows), _KEYS_A_JOB)]
        keys: dict[int, str] = {}
        found = pool.map(partial(try_each, self._source.identity), parts)
        for row, key in zip(rows, chain.from_iterable(found), strict=True):
            if isinstance(key, UnreadableImage):
                self._bad.add([key])
            else:
                keys[row] = key
        return keys

    def _add_unreadable_copies(self) -> None:
        """Add the copies of images that cannot be read, which were not tried."""
        for row, key in self._keys.items():
            if row in self._bad:
                reason = self._bad[row].reason
                self._bad.add(
                    UnreadableImage(copy, self._source.name(copy), reason)
                    for copy in self._waiting[key]
                )
