"""The preparation of images for a backbone: crop, resize and normalise."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from sklearn_scan.images import INTERPOLATIONS, SquareCrop

View = Callable[[Tensor], Tensor]

# How far from [0, 1] views may be: noise may add to them, and 255 is another scale.
_SLACK = 1.0
# ImageNet's, for modules that come without a configuration of their own.
_DEFAULT_CONFIG: dict[str, Any] = {
    "input_size": (3, 224, 224),
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "crop_pct": 1.0,
    "interpolation": "bicubic",
}


def per_channel(name: str, value: Any) -> tuple[float, ...]:
    """Return one finite number for each of red, green and blue."""
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
        The side of the square that the backbone gets, in pixels.
    mean, std : tuple of 3 floats
        The mean and standard deviation of the red, green and blue values in [0, 1]. By
        default, the values are not changed.
    crop_pct : float, default=1.0
        The share of the shorter side of an image that is kept.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos"}, default="bicubic"
        How images are resized. If they become smaller, they are antialiased.
    """

    input_size: int
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    crop_pct: float = 1.0
    interpolation: str = "bicubic"

    @classmethod
    def of(cls, module: nn.Module, **given: object) -> Self:
        """Return a backbone's own preprocessing, except for the fields given.

        Parameters
        ----------
        module : nn.Module
            The backbone. A timm model has a configuration; other modules get the
            preprocessing of ImageNet at 224 pixels.
        **given
            Fields that replace those of the backbone, unless they are None.

        Returns
        -------
        Preprocessing

        Examples
        --------
        >>> from torch import nn
        >>> Preprocessing.of(nn.Flatten(), input_size=32, mean=0.5).mean
        (0.5, 0.5, 0.5)
        """
        config = _DEFAULT_CONFIG
        if own := getattr(module, "pretrained_cfg", None):
            from timm.data.config import resolve_model_data_config

            config = resolve_model_data_config(module, pretrained_cfg={**config, **own})
        size = config["input_size"][-1]
        config = {key: config[key] for key in _DEFAULT_CONFIG} | {"input_size": size}
        if config["interpolation"] not in INTERPOLATIONS:  # timm knows "random" too
            config["interpolation"] = _DEFAULT_CONFIG["interpolation"]
        config |= {key: value for key, value in given.items() if value is not None}
        config["mean"] = per_channel("mean", config["mean"])
        config["std"] = per_channel("std", config["std"])
        return cls(**config)

    @property
    def crop(self) -> SquareCrop:
        """The crop and resize of an image to `input_size`."""
        return SquareCrop(self.input_size, self.crop_pct, self.interpolation)

    def normalize(self, images: Tensor) -> Tensor:
        """Return uint8 images (b, h, w, 3) as float32 (b, 3, h, w), normalised."""
        # A view of channels-last memory, which is how convolutions are fastest; and
        # in place, since memory is what this waits for.
        mean, scale = _statistics(self.mean, self.std, images.device, white=255)
        return images.permute(0, 3, 1, 2).float().sub_(mean).mul_(scale)

    def standardize(self, images: Tensor) -> Tensor:
        """Return images (b, 3, h, w) of values in [0, 1], normalised."""
        mean, scale = _statistics(self.mean, self.std, images.device, white=1)
        shifted = images.sub(mean).mul_(scale)
        return shifted.contiguous(memory_format=torch.channels_last)

    def view(self, augment: View | None = None, *, name: str = "views") -> View:
        """Return the function from stored images to what the backbone trains on.

        Parameters
        ----------
        augment : callable, optional
            Takes float images (b, c, h, w) in [0, 1], returns views of the same shape.
        name : str, default="views"
            Its name in error messages.

        Returns
        -------
        callable
            Takes uint8 images (b, c, h, w), where c is 1 or 3, and returns normalised
            views (b, 3, h, w).
        """
        seen = False

        def view(images: Tensor) -> Tensor:
            nonlocal seen
            views = images.float().div_(255)
            if augment is not None:
                views = augment(views)
                _check_views(views, images, name, look=not seen)
                seen = True
            return self.standardize(views.float().expand(-1, 3, -1, -1))

        return view


def _check_views(views: Any, images: Tensor, name: str, *, look: bool) -> None:
    """Raise if a function made no views of images; `look` at their values too."""
    expected = f"{name} must return float views of the images given, of their shape"
    if not isinstance(views, Tensor) or not views.is_floating_point():
        came = views.dtype if isinstance(views, Tensor) else type(views).__name__
        raise TypeError(f"{expected}; it returned {came}.")
    if views.shape != images.shape:
        raise ValueError(
            f"{expected}; it returned {tuple(views.shape)} for {tuple(images.shape)}."
        )
    # once: to look at values is to wait for a GPU
    if look and not bool(((views > -_SLACK) & (views < 1 + _SLACK)).all()):
        raise ValueError(
            f"{expected}, with values in [0, 1] (they are normalised afterwards); it "
            f"returned values from {views.min():.3g} to {views.max():.3g}."
        )


@functools.lru_cache(maxsize=64)  # else each batch would wait for its way to a GPU
def _statistics(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device, white: int
) -> tuple[Tensor, Tensor]:
    """Return what to subtract and to multiply by; `white` is the largest value."""
    with torch.inference_mode(False):  # they are used in training too
        shift = torch.tensor(mean, device=device).view(1, 3, 1, 1) * white
        deviation = torch.tensor(std, device=device).view(1, 3, 1, 1) * white
        return shift, 1 / deviation
