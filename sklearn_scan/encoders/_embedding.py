"""One pass over images: look up in the cache what it holds, and embed the rest."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sklearn_scan.core.rows import row_slices
from sklearn_scan.core.threads import free_threads
from sklearn_scan.encoders._embedding_array import EmbeddingArray
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
        self, array: EmbeddingArray, *, batch_size: int, processes: bool, verbose: int
    ) -> NDArray[np.float32]:
        """Return the embedding (n, embed_dim); NaN where an image cannot be read.

        Parameters
        ----------
        array : EmbeddingArray
            What is filled; its first rows may be done already.
        batch_size : int
            How many images to embed at once.
        processes : bool
            Whether processes may read the images.
        verbose : int
            Above zero, shows a progress bar.
        """
        self._array = array
        self._progress = tqdm(
            total=len(self.rows),
            desc="embedding",
            unit="image",
            disable=verbose <= 0,
        )
        try:
            with array.filling():
                self.bad_images.add(array.bad)
                with self._progress, closing(self._batches(batch_size, processes)) as b:
                    self._progress.update(array.n_done)
                    for rows, images in b:
                        self._store(rows, self.embed_batch(images))
                self._add_unreadable_copies()
                self.bad_images.raise_or_warn(len(self.rows))
                array.finish(self.bad_images.found)
            return array.result()
        finally:
            if self.cache is not None:
                self.cache.save()

    def _batches(
        self, batch_size: int, processes: bool
    ) -> Generator[tuple[list[int], NDArray[np.uint8]], None, None]:
        return load_batches(
            self.source,
            self.crop,
            self._unknown(),
            self.bad_images,
            batch_size=batch_size,
            n_jobs=self.n_jobs,
            processes=processes,
        )

    def _store(self, rows: list[int], vectors: NDArray[np.float32]) -> None:
        for row, vector in zip(rows, vectors, strict=True):
            self._set(row, vector)
            if self.cache is not None:
                key = self._keys.pop(row)
                self.cache.add(key, vector)
                for copy in self._waiting.pop(key):
                    self._set(copy, vector)
        # Images come in order: all before are embedded, known or unreadable. What is
        # kept ends with a whole batch, so that the others are as they would have been.
        if self.cache is not None:
            self.cache.save_in_time()
            self._add_unreadable_copies()
        self._array.note(self.rows.index(rows[-1]) + 1, self.bad_images.found)

    def _set(self, row: int, vector: NDArray[np.float32]) -> None:
        self._array[row] = vector
        self._progress.update()

    def _unknown(self) -> Iterator[int]:
        """Yield the rows to embed; fill in the others as they are found."""
        for i, row in enumerate(self._not_cached()):
            if i == 0 and self.bad_images.raises:
                # Before the first image is embedded, and the long work begins.
                self.bad_images.add(self.source.unreadable(self.rows))
            yield row

    def _not_cached(self) -> Iterator[int]:
        left = self.rows[self._array.n_done :]
        if self.cache is None:
            yield from left
            return
        n_workers = resolve_workers(self.n_jobs) if self.source.thread_safe else 1
        with ThreadPoolExecutor(n_workers) as pool:
            for part in row_slices(len(left), _LOOKUP):
                yield from self._look_up(self._identify(left[part], pool))

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
        for bad in self.bad_images.found:
            key = self._keys.get(bad.row)
            if key is not None:
                self.bad_images.add(
                    UnreadableImage(copy, self.source.name(copy), bad.reason)
                    for copy in self._waiting[key]
                )
