"""From an image of any size to what a backbone takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def per_channel(name: str, value: Any) -> tuple[float, ...]:
    """Return one number for each of red, green and blue.

    Raises
    ------
    ValueError
        If `value` is neither a finite number nor three of them.
    """
    try:
        numbers = np.broadcast_to(np.asarray(value, dtype=float), 3)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be a number, or 3 for red, green and blue; got {value!r}."
        ) from error
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite; got {value!r}.")
    return tuple(numbers.tolist())


@dataclass(frozen=True)
class Preprocessing:
    """Centre crop, resize, shift and scale.

    Parameters
    ----------
    input_size : int
        The side of the square the backbone takes, in pixels.
    mean, std : tuple of 3 floats
        Of the red, green and blue values in [0, 1]; by default these stay as they are.
    crop_pct : float, default=1.0
        The share of the image's shorter side that is kept.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}, default="bicubic"
        How to resize; reductions are antialiased.
    """

    input_size: int
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    crop_pct: float = 1.0
    interpolation: str = "bicubic"

    def resize(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the crop of an image (h, w, 3), shape (input_size, input_size, 3)."""
        height, width = image.shape[:2]
        side = min(height, width) * self.crop_pct
        left, top = (width - side) / 2, (height - side) / 2
        if height == width == side == self.input_size:
            return image
        # One resampling for crop and resize: only what is kept is computed.
        resized = Image.fromarray(image).resize(
            (self.input_size, self.input_size),
            INTERPOLATIONS[self.interpolation],
            box=(left, top, left + side, top + side),
        )
        return np.asarray(resized)

    def normalize(self, images: Tensor) -> Tensor:
        """Return uint8 images (b, h, w, 3) as float32 (b, 3, h, w), normalised."""
        # A view of channels-last memory, which is how convolutions are fastest.
        return self.standardize(images.permute(0, 3, 1, 2).float() / 255)

    def standardize(self, images: Tensor) -> Tensor:
        """Return images (b, 3, h, w) of values in [0, 1], normalised."""
        mean = torch.tensor(self.mean, device=images.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=images.device).view(1, 3, 1, 1)
        return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
