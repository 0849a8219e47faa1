"""Batches of images of one size, read ahead by workers."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from typing import TypeVar

import joblib
import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.wording import Message, Setting, Value
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images._bad_images import BadImages
from sklearn_scan.images._crop import SquareCrop
from sklearn_scan.images._file_sources import PathSource
from sklearn_scan.images._processes import Read, ReadingProcesses, read_images
from sklearn_scan.images._sources import ImageSource

# Images that a worker reads at a time: enough to make handing over cheap, and few
# enough that little is read ahead.
_JOB_IMAGES = 16
_PIXELS_BATCH = 256
# With fewer images a pass is over before worker processes have started.
_WORTH_PROCESSES = 2000
_MOST_PROCESSES = 16  # each takes memory; this many are faster than a GPU

T = TypeVar("T")


def resolve_workers(n_jobs: int | None) -> int:
    """Return the number of workers; None takes one per core.

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
        raise TypeError(
            Message(
                "{} must be an integer or {}; got {!r}.",
                *(Setting("n_jobs"), Value(None), n_jobs),
            )
        )
    if n_jobs == 0:
        raise ValueError(
            Message(
                "{} must not be 0: {} or -1 takes one per core.",
                *(Setting("n_jobs"), Value(None)),
            )
        )
    return int(joblib.effective_n_jobs(n_jobs))  # -1 is the number of cores, and so on


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
    """Yield batches of images in order, and read some batches ahead.

    Parameters
    ----------
    source : ImageSource
        The images.
    crop : SquareCrop
        Brings images to one size.
    rows : iterable of int
        The numbers of the images, in the order to read them in. It is iterated over
        while images are read.
    bad_images : BadImages
        Collects the images that cannot be read. After the first one, where that is an
        error, nothing is yielded: the rest is read to name every such image.
    batch_size : int
        The number of images in a batch; the last batch may have fewer.
    n_jobs : int, optional
        The number of workers; None takes one per core.
    processes : bool, default=False
        Whether processes may read files. Threads are enough where a CPU embeds images:
        decoding and resizing release Python's lock. A GPU that embeds thousands of
        images a second is faster than threads. A process that needs more than a minute
        for a file, or crashes at it, is replaced, and the file cannot be read. Threads
        have no such limit.

    Yields
    ------
    rows : list of int
        The numbers of the images.
    images : ndarray of uint8, shape (b, size, size, 3)
        The images, b <= batch_size.
    """
    batch_rows: list[int] = []
    batch: list[NDArray[np.uint8]] = []
    job_size = min(batch_size, _JOB_IMAGES)
    n_workers = resolve_workers(n_jobs) if source.thread_safe else 1
    ahead = n_workers + ceil(batch_size / job_size)
    with _workers(source, n_workers, processes) as submit:
        jobs = ((some, submit(source, crop, some)) for some in _chunks(rows, job_size))
        for some, job in _run_ahead(jobs, ahead):
            for row, image in zip(some, job.result(), strict=True):
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
    """Read images into one array, for training.

    Parameters
    ----------
    source, crop, rows, bad_images, n_jobs
        As for `load_batches`.

    Returns
    -------
    ndarray of uint8, shape (n_readable, c, size, size)
        The images that can be read, in the order of `rows`; c is 1 if all are grey,
        else 3.
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


_Submit = Callable[[ImageSource, SquareCrop, list[int]], Future[list[Read]]]


@contextmanager
def _workers(source: ImageSource, n_workers: int, processes: bool) -> Iterator[_Submit]:
    """Provide a function that gives a job to a thread or a process."""
    if (
        processes
        and n_workers > 1
        and isinstance(source, PathSource)
        and len(source) >= _WORTH_PROCESSES
    ):
        with ReadingProcesses(min(n_workers, _MOST_PROCESSES)) as readers:
            yield readers.submit
        return
    threads = ThreadPoolExecutor(n_workers)
    try:
        yield lambda *job: threads.submit(read_images, *job)
    finally:
        threads.shutdown(cancel_futures=True)


def _chunks(items: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, size)):
        yield chunk


def _run_ahead(items: Iterable[T], n_items: int) -> Iterator[T]:
    """Yield items, and iterate `n_items` ahead."""
    waiting: deque[T] = deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > n_items:
            yield waiting.popleft()
    yield from waiting
