"""The images that pretexts learn from: their size, their pixels, their statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median_low
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.encoders import Preprocessing
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import BadImages, ImageSource, SquareCrop, load_pixels

__all__ = [
    "LARGEST_SIZE",
    "ImageKind",
    "automatic_size",
    "limit_size",
    "look_at",
    "measure",
    "read_images",
]

# Side of the images trained on, when the user does not choose it. Above it the time
# grows with the area and the small network gains little.
LARGEST_SIZE = 32
_SMALLEST_SIZE = 8


_LOOKED_AT = 32  # images that tell what all are like


class ImageKind(NamedTuple):
    """What images are like.

    Attributes
    ----------
    side : int
        The shorter side of most, in pixels.
    is_grey : bool
        Whether they are grey.
    """

    side: int
    is_grey: bool


def look_at(source: ImageSource) -> ImageKind:
    """Return what a few of the images are like, from all parts of the source."""
    step = -(-len(source) // _LOOKED_AT)
    found = [
        ImageKind(min(image.shape[:2]), bool((image == image[..., :1]).all()))
        for image in _readable(source, range(0, len(source), step))
    ]
    if not found:
        return ImageKind(_SMALLEST_SIZE, is_grey=False)
    side = median_low([each.side for each in found])
    return ImageKind(side, all(each.is_grey for each in found))


def automatic_size(source: ImageSource) -> int:
    """Return the side to train on: the first image's shorter one, within limits."""
    for image in _readable(source, range(len(source))):
        return limit_size(min(image.shape[:2]))
    return _SMALLEST_SIZE


def limit_size(side: int) -> int:
    """Return the side to train on, of images that have another."""
    return min(max(int(side), _SMALLEST_SIZE), LARGEST_SIZE)


def _readable(source: ImageSource, rows: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    for row in rows:
        try:
            image = source[row]
        except ImageReadError:
            continue  # those count that can be read
        yield image


def read_images(
    source: ImageSource, size: int, bad_images: str, n_jobs: int | None
) -> Tensor:
    """Return all readable images as squares, uint8 (n, c, size, size)."""
    pixels = load_pixels(
        source,
        SquareCrop(size),
        range(len(source)),
        BadImages(bad_images),
        n_jobs=n_jobs,
    )
    if len(pixels) < 2:
        raise ValueError(
            f"X holds {len(pixels)} image, while a minimum of 2 is required to tell "
            "images apart."
        )
    return torch.from_numpy(pixels)


def measure(images: Tensor, size: int) -> Preprocessing:
    """Return the preprocessing with the images' own mean and deviation."""
    counts = torch.stack(
        [torch.bincount(c.flatten(), minlength=256) for c in images.unbind(1)]
    ).double()  # (c, 256): exact, in the memory of a histogram
    levels = torch.linspace(0, 1, 256, dtype=torch.float64)
    share = counts / counts.sum(dim=1, keepdim=True)
    mean = share @ levels
    std = (share @ levels**2 - mean**2).clamp_min(0).sqrt().clamp_min(1 / 255)
    return Preprocessing(
        size, tuple(mean.expand(3).tolist()), tuple(std.expand(3).tolist())
    )
