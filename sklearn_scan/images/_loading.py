"""Batches of images at one size, read by workers ahead of their use."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from typing import TypeVar
from weakref import WeakSet

import joblib
import numpy as np
from joblib.externals.loky import ProcessPoolExecutor
from numpy.typing import NDArray
from PIL import Image

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images._bad_images import BadImages, try_each
from sklearn_scan.images._crop import SquareCrop
from sklearn_scan.images._sources import ImageSource, PathSource

# A worker's errand: large enough that handing it over costs nothing beside it, and
# small enough that what is read ahead stays small.
_ERRAND_IMAGES = 16
_PIXELS_BATCH = 256
# Below this many images a pass is over before worker processes have started.
_WORTH_PROCESSES = 2000
_MOST_PROCESSES = 16  # each takes memory; so many outrun a GPU

T = TypeVar("T")


def resolve_workers(n_jobs: int | None) -> int:
    """Return the number of workers to read with; None takes one per core.

    Raises
    ------
    TypeError
        If `n_jobs` is not an integer.
    ValueError
        If it is 0.
    """
    if n_jobs is None:
        return int(joblib.cpu_count())
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int | np.integer):
        raise TypeError(f"n_jobs must be an instance of int, or None; got {n_jobs!r}.")
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0: None or -1 takes one per core.")
    return int(joblib.effective_n_jobs(n_jobs))  # below zero, it counts from the cores


def load_batches(
    source: ImageSource,
    crop: SquareCrop,
    rows: Iterable[int],
    bad_images: BadImages,
    *,
    batch_size: int,
    n_jobs: int | None = None,
    processes: bool = False,
) -> Generator[tuple[list[int], NDArray[np.uint8]], None, None]:
    """Read images in order, some batches ahead of the one in use.

    Parameters
    ----------
    source : ImageSource
        What to read.
    crop : SquareCrop
        The size to bring images to.
    rows : iterable of int
        Which images, and in which order; drawn from as the reading goes on.
    bad_images : BadImages
        Collects the images that cannot be read. From the first one on that makes the
        pass a lost cause, nothing is yielded: the rest is read to name every image.
    batch_size : int
        Images in a batch; the last one holds what is left.
    n_jobs : int, optional
        Workers; None takes one per core.
    processes : bool, default=False
        Whether files may be read by processes. Threads are enough where a CPU embeds
        them: decoding and resizing release Python's lock. A GPU that takes thousands
        of images a second outruns what threads can hand over.

    Yields
    ------
    rows : list of int
        Which images these are.
    images : ndarray of uint8, shape (b, size, size, 3)
        The images, b <= batch_size.
    """
    batch_rows: list[int] = []
    batch: list[NDArray[np.uint8]] = []
    errand_size = min(batch_size, _ERRAND_IMAGES)
    n_workers = resolve_workers(n_jobs) if source.thread_safe else 1
    ahead = n_workers + ceil(batch_size / errand_size)
    with _workers(source, n_workers, processes) as hand_out:
        errands = (
            (some, hand_out(source, crop, some)) for some in _chunks(rows, errand_size)
        )
        for some, errand in _run_ahead(errands, ahead):
            for row, image in zip(some, errand.result(), strict=True):
                if processes and isinstance(image, UnreadableImage):
                    # This process may know formats that its workers do not.
                    (image,) = _read(source, crop, [row])
                if isinstance(image, UnreadableImage):
                    bad_images.add([image._replace(row=row)])
                elif not bad_images.lost:
                    batch_rows.append(row)
                    batch.append(image)
                if len(batch) == batch_size:
                    yield batch_rows, np.stack(batch)
                    batch_rows, batch = [], []
    if batch and not bad_images.lost:
        yield batch_rows, np.stack(batch)


def load_pixels(
    source: ImageSource,
    crop: SquareCrop,
    rows: Sequence[int],
    bad_images: BadImages,
    *,
    n_jobs: int | None = None,
) -> NDArray[np.uint8]:
    """Read images into one array, to be trained on.

    Parameters
    ----------
    source, crop, rows, bad_images, n_jobs
        As for `load_batches`.

    Returns
    -------
    ndarray of uint8, shape (n_readable, c, size, size)
        The images that can be read, in the order of `rows`; c is 1 where all are grey,
        and else 3.
    """
    images = np.empty((len(rows), crop.size, crop.size, 3), dtype=np.uint8)
    n_read = 0
    for read, batch in load_batches(
        source, crop, rows, bad_images, batch_size=_PIXELS_BATCH, n_jobs=n_jobs
    ):
        images[n_read : n_read + len(read)] = batch
        n_read += len(read)
    bad_images.raise_or_warn(len(rows))
    images = images[:n_read]
    grey = (images == images[..., :1]).all()
    return images[..., : 1 if grey else 3].transpose(0, 3, 1, 2)


_Read = NDArray[np.uint8] | UnreadableImage
_HandOut = Callable[[ImageSource, SquareCrop, list[int]], Future[list[_Read]]]


@contextmanager
def _workers(
    source: ImageSource, n_workers: int, processes: bool
) -> Iterator[_HandOut]:
    """Provide the function that hands an errand to a thread or a process."""
    if (
        processes
        and n_workers > 1
        and isinstance(source, PathSource)
        and len(source) >= _WORTH_PROCESSES
    ):
        # Of the kind that needs no `if __name__ == "__main__"` in the user's script.
        pool = ProcessPoolExecutor(min(n_workers, _MOST_PROCESSES))
        handed_out: WeakSet[Future[list[_Read]]] = WeakSet()
        try:
            yield _hand_to_process(pool, handed_out)
        finally:
            for errand in list(handed_out):
                errand.cancel()
            pool.shutdown()
        return
    threads = ThreadPoolExecutor(n_workers)
    try:
        yield lambda *errand: threads.submit(_read, *errand)
    finally:
        threads.shutdown(cancel_futures=True)


def _hand_to_process(
    pool: Executor, handed_out: WeakSet[Future[list[_Read]]]
) -> _HandOut:
    def hand_out(
        source: ImageSource, crop: SquareCrop, rows: list[int]
    ) -> Future[list[_Read]]:
        assert isinstance(source, PathSource)  # for mypy: _workers has looked
        # Paths of this errand only: a pickle of all would cost more than the reading.
        errand = pool.submit(
            _read_in_process, Image.MAX_IMAGE_PIXELS, source.take(rows), crop
        )
        handed_out.add(errand)
        return errand

    return hand_out


def _read(source: ImageSource, crop: SquareCrop, rows: Iterable[int]) -> list[_Read]:
    return try_each(lambda row: source.read(row, crop), rows)


def _read_in_process(
    most_pixels: int | None, source: PathSource, crop: SquareCrop
) -> list[_Read]:
    Image.MAX_IMAGE_PIXELS = most_pixels  # which the user may have set
    return _read(source, crop, range(len(source)))


def _chunks(items: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def _run_ahead(items: Iterable[T], n_items: int) -> Iterator[T]:
    """Draw `n_items` more than are yielded."""
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > n_items:
            yield waiting.popleft()
    yield from waiting
