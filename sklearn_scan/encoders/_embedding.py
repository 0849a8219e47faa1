"""One pass over images: look up in the cache what it holds, and embed the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sklearn_scan.core.files import durable_path
from sklearn_scan.core.rows import row_slices
from sklearn_scan.core.threads import free_threads
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
    """The rows of an embedding, in memory or in a .npy file, filled in any order."""

    # made when the first row says how long rows are; the file appears when complete
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


@dataclass(eq=False)
class EmbeddingPass:
    """Embed images of a source, each once."""

    source: ImageSource
    rows: range  # of the images to embed
    embed_batch: EmbedBatch  # of images as `crop` makes them
    crop: SquareCrop
    cache: EmbeddingCache | None
    bad_images: BadImages
    n_jobs: int | None
    # Of images that are being embedded: the content key by row, and by content key the
    # other rows of the same content.
    _keys: dict[int, str] = field(default_factory=dict)
    _waiting: dict[str, list[int]] = field(default_factory=dict)

    @free_threads()
    def run(
        self,
        *,
        batch_size: int,
        processes: bool,
        out: str | os.PathLike[str] | None,
        verbose: int,
    ) -> NDArray[np.float32]:
        """Return the embedding (n, embed_dim); NaN where an image cannot be read."""
        self._array = EmbeddingArray(len(self.rows), out)
        self._progress = tqdm(
            total=len(self.rows),
            desc="embedding",
            unit="image",
            disable=verbose <= 0,
        )
        batches = load_batches(
            self.source,
            self.crop,
            self._unknown(),
            self.bad_images,
            batch_size=batch_size,
            n_jobs=self.n_jobs,
            processes=processes,
        )
        try:
            with self._array.writing():
                with self._progress, closing(batches):
                    for rows, images in batches:
                        self._store(rows, self.embed_batch(images))
                self._add_unreadable_copies()
                self.bad_images.raise_or_warn(len(self.rows))
                gaps = [self.rows.index(bad.row) for bad in self.bad_images.found]
                self._array.finish(gaps)
            return self._array.result()
        finally:
            if self.cache is not None:
                self.cache.save()

    def _store(self, rows: list[int], vectors: NDArray[np.float32]) -> None:
        for row, vector in zip(rows, vectors, strict=True):
            self._set(row, vector)
            if self.cache is not None:
                key = self._keys.pop(row)
                self.cache.add(key, vector)
                for copy in self._waiting.pop(key):
                    self._set(copy, vector)

    def _set(self, row: int, vector: NDArray[np.float32]) -> None:
        self._array[self.rows.index(row)] = vector
        self._progress.update()

    def _unknown(self) -> Iterator[int]:
        """Yield the rows to embed; fill in the others as they are found."""
        for i, row in enumerate(self._not_cached()):
            if i == 0 and self.bad_images.raises:
                # Before the first image is embedded, and the long work begins.
                self.bad_images.add(self.source.unreadable(self.rows))
            yield row

    def _not_cached(self) -> Iterator[int]:
        if self.cache is None:
            yield from self.rows
            return
        n_workers = resolve_workers(self.n_jobs) if self.source.thread_safe else 1
        with ThreadPoolExecutor(n_workers) as pool:
            for part in row_slices(len(self.rows), _LOOKUP):
                yield from self._look_up(self._identify(self.rows[part], pool))

    def _look_up(self, keys: dict[int, str]) -> Iterator[int]:
        """Fill in the rows that the cache knows; of other contents, yield one row."""
        assert self.cache is not None  # for mypy: _not_cached has looked
        known = self.cache.read(list(keys.values()))
        for row, key in keys.items():
            if key in known:
                self._set(row, known[key])
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
        found = pool.map(partial(try_each, self.source.identity), parts)
        for row, key in zip(rows, chain.from_iterable(found), strict=True):
            if isinstance(key, UnreadableImage):
                self.bad_images.add([key])
            else:
                keys[row] = key
        return keys

    def _add_unreadable_copies(self) -> None:
        """Add the copies of images that cannot be read, which were not tried."""
        for row, key in self._keys.items():
            if row in self.bad_images:
                reason = self.bad_images[row].reason
                self.bad_images.add(
                    UnreadableImage(copy, self.source.name(copy), reason)
                    for copy in self._waiting[key]
                )
