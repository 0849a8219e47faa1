"""Thumbnails: small copies of whole pictures, each a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm.auto import tqdm

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images import (
    BadImages,
    ImageSource,
    SquareCrop,
    resolve_workers,
    try_each,
)

# Most images of a page, and the area of their thumbnails as the side of a square.
_SIDES = ((1_000, 256), (4_000, 160), (12_000, 96), (40_000, 64))
_LEAST_SIDE, _TINY = 48, 64
_MOST_STRETCH = 4  # of the longer side against that of the square
_QUALITY, _TINY_QUALITY = 74, 90  # in tiny pictures each pixel is seen
_METHOD = 2  # of WebP's 0 to 6: a third of the default's time, for 4 % more bytes


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Thumbnails:
    """Small WebP pictures, and which image each of them is of."""

    pictures: list[bytes]
    places: NDArray[np.int32]  # (n,); an image's number among the pictures, or -1


def make_thumbnails(
    source: ImageSource,
    rows: Sequence[int],
    *,
    n_jobs: int | None = None,
    verbose: int = 0,
) -> tuple[Thumbnails, list[UnreadableImage]]:
    """Read images and reduce them; the pictures are in the order of `rows`."""
    read = partial(_read, source, _WholePicture(choose_side(len(rows))))
    places = np.full(len(source), -1, dtype=np.int32)
    pictures: list[bytes] = []
    bad_images = BadImages("skip")
    threads = ThreadPoolExecutor(resolve_workers(n_jobs) if source.thread_safe else 1)
    progress = tqdm(
        threads.map(read, rows),
        total=len(rows),
        desc="report: photos",
        disable=verbose <= 0,
    )
    try:
        for row, picture in zip(rows, progress, strict=True):
            if isinstance(picture, UnreadableImage):
                bad_images.add([picture])
            else:
                places[row] = len(pictures)
                pictures.append(picture)
    finally:  # an interrupted Python does not wait for the rest
        progress.close()
        threads.shutdown(cancel_futures=True)
    bad_images.raise_or_warn(len(rows))
    return Thumbnails(pictures, places), bad_images.found


def choose_side(n_images: int) -> int:
    """Return the side of a square as large as a thumbnail, smaller for many images."""
    return next((side for most, side in _SIDES if n_images <= most), _LEAST_SIDE)


class _WholePicture(SquareCrop):
    """Reduce an image to the area of the square, and keep its shape: nothing is cut."""

    def __call__(self, image: Image.Image | NDArray[np.uint8]) -> NDArray[np.uint8]:
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        width, height = image.size
        scale = min(
            1.0,  # small images stay as they are
            self.size / sqrt(width * height),
            _MOST_STRETCH * self.size / max(width, height),
        )
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _read(
    source: ImageSource, whole: _WholePicture, row: int
) -> bytes | UnreadableImage:
    (pixels,) = try_each(lambda i: source.read(i, whole), [row])
    return pixels if isinstance(pixels, UnreadableImage) else _compress(pixels)


def _compress(pixels: NDArray[np.uint8]) -> bytes:
    content = BytesIO()
    height, width = pixels.shape[:2]
    quality = _TINY_QUALITY if width * height < _TINY**2 else _QUALITY
    Image.fromarray(pixels).save(content, "WEBP", quality=quality, method=_METHOD)
    return content.getvalue()
