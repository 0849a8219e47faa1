"""Random numbers, one an image, drawn on the CPU.

On the CPU they can be read without waiting for a GPU, and one seed gives the same views
on every device.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Draws:
    """Random numbers for `n_images` images."""

    def __init__(self, n_images: int, generator: torch.Generator | None) -> None:
        self.n_images = n_images
        self.generator = generator

    def uniform(self, low: float = 0.0, high: float = 1.0, *, rows: int = 0) -> Tensor:
        """Return numbers in [low, high): (n_images,), or (rows, n_images)."""
        shape = (rows, self.n_images) if rows else (self.n_images,)
        numbers = torch.rand(shape, generator=self.generator)
        return numbers.mul_(high - low).add_(low)

    def symmetric(self, bound: float) -> Tensor:
        """Return numbers in [-bound, bound)."""
        return self.uniform(-bound, bound)

    def chance(self, probability: float) -> Tensor:
        """Return bools that are True with the given probability."""
        return self.uniform() < probability

    def below(self, bounds: Tensor | int) -> Tensor:
        """Return whole numbers from 0 to `bounds` - 1, all equally likely."""
        # float32 may round a product up to the bound itself
        return (self.uniform() * bounds).floor().clamp_(max=bounds - 1)

    def choices(self, n_options: int, *, rows: int) -> Tensor:
        """Return options (rows, n_images), drawn with replacement."""
        return torch.randint(n_options, (rows, self.n_images), generator=self.generator)

    def orders(self, n_options: int) -> Tensor:
        """Return an order of the options for each image, (n_options, n_images)."""
        return self.uniform(rows=n_options).argsort(dim=0)

    def normal_like(self, images: Tensor) -> Tensor:
        """Return normal numbers, one a pixel, drawn on the images' device.

        Only their seed is drawn on the CPU: a number a pixel would be too much to move.
        """
        seed = int(torch.randint(2**62, (), generator=self.generator))
        generator = torch.Generator(images.device).manual_seed(seed)
        return torch.randn(
            images.shape, generator=generator, device=images.device, dtype=images.dtype
        )


def check_generator(generator: torch.Generator | None) -> None:
    """Raise a TypeError or ValueError if `generator` is no CPU generator, nor None."""
    if generator is None:
        return
    if not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator must be a torch.Generator or None; got {generator!r}."
        )
    if generator.device.type != "cpu":
        raise ValueError(
            "generator must be on the CPU, where all numbers are drawn; got one on "
            f"{generator.device}."
        )


def check_images(images: Tensor, n_channels: tuple[int, ...]) -> None:
    """Raise a TypeError or ValueError if `images` are no floats (b, c, h, w)."""
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor; got {type(images).__name__}.")
    if not images.is_floating_point():
        raise TypeError(f"images must be floats in [0, 1]; got {images.dtype}.")
    if images.ndim != 4 or images.shape[1] not in n_channels:
        channels = " or ".join(map(str, n_channels))
        raise ValueError(
            f"images must have the shape (b, {channels}, h, w); got "
            f"{tuple(images.shape)}."
        )


def flip_probability(n_channels: int) -> float:
    """Return how often to mirror images of `n_channels` channels: grey ones never."""
    return 0.0 if n_channels == 1 else 0.5
