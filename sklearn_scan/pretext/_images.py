"""The images that pretexts learn from: their size, their pixels, their statistics."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.encoders import Preprocessing
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import BadImages, ImageSource, SquareCrop, load_pixels

__all__ = ["automatic_size", "measure", "read_images"]

# Side of the images trained on, when the user does not choose it. Above it the time
# grows with the area and the small network gains little.
_LARGEST_SIZE = 32
_SMALLEST_SIZE = 8


def automatic_size(source: ImageSource) -> int:
    """Return the side to train on: the first image's shorter one, within limits."""
    for i in range(len(source)):
        try:
            shorter_side = int(min(source[i].shape[:2]))
        except ImageReadError:
            continue  # that of the first image which can be read counts
        return min(max(shorter_side, _SMALLEST_SIZE), _LARGEST_SIZE)
    return _SMALLEST_SIZE


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
