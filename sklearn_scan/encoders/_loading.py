"""Images at the backbone's size, read by threads one batch ahead of their use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from sklearn_scan._device import resolve_threads
from sklearn_scan.encoders._preprocessing import Preprocessing
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import ImageSource


def load_batches(
    source: ImageSource,
    preprocessing: Preprocessing,
    indices: Sequence[int],
    *,
    batch_size: int,
    n_jobs: int | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield the images at `indices`, resized, uint8 (b, input_size, input_size, 3).

    Raises
    ------
    ImageReadError
        At the end, with all images that could not be read. From the first of them on
        nothing is yielded: a lost cause is read on only to name every file.
    """

    def load(index: int) -> NDArray[np.uint8] | ImageReadError:
        try:
            return preprocessing.resize(source[index])
        except ImageReadError as error:
            return error

    starts = range(0, len(indices), batch_size)
    failures: list[ImageReadError] = []
    n_threads = resolve_threads(n_jobs) if source.thread_safe else 1
    with ThreadPoolExecutor(n_threads) as pool:
        batches = (
            [pool.submit(load, i) for i in indices[start : start + batch_size]]
            for start in starts
        )
        ahead = next(batches, None)
        while ahead is not None:
            current, ahead = ahead, next(batches, None)
            loaded = [future.result() for future in current]
            failures += [x for x in loaded if isinstance(x, ImageReadError)]
            if not failures:
                yield np.stack([x for x in loaded if isinstance(x, np.ndarray)])
    if failures:
        raise ImageReadError.merge(failures)
