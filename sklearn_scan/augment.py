"""Random views of images, batched on the device, drawn anew for every image.

Images are square, float tensors (b, c, h, w) in [0, 1], on the generator's device, and
so are their views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["ColorViews", "GreyViews"]

_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class GreyViews:
    """Views of grey images: a random affine map, and noise.

    There is no flip: much of what is grey (letters, digits, scans) has a handedness.

    Parameters
    ----------
    generator : torch.Generator
        Draws the maps and the noise, on the images' device.
    rotation : float
        The largest angle, in degrees.
    scale : float
        The largest magnification; 1 / scale is the smallest.
    shear : float
        The largest shift of the upper edge against the lower, per unit of height.
    translation : float
        The largest shift, as a share of the image's side.
    noise : float
        The standard deviation of the noise added to every pixel.
    """

    generator: torch.Generator
    rotation: float = 15.0
    scale: float = 1.2
    shear: float = 0.2
    translation: float = 0.075
    noise: float = 0.15

    def __call__(self, images: Tensor) -> Tensor:
        """Return one view of each image."""
        draw = _Draw(len(images), self.generator)
        angle = math.radians(self.rotation) * draw.symmetric()
        zoom = torch.exp(-math.log(self.scale) * draw.symmetric())
        cosine, sine = zoom * angle.cos(), zoom * angle.sin()
        shear = self.shear * draw.symmetric()
        # grid_sample's coordinates run from -1 to 1: a side is two units long
        dx, dy = (2 * self.translation * draw.symmetric() for _ in range(2))
        views = _resample(images, [[cosine, shear - sine, dx], [sine, cosine, dy]])
        noise = torch.randn(
            views.shape, generator=self.generator, device=self.generator.device
        )
        return views.add_(noise, alpha=self.noise).clamp_(0, 1)


@dataclass(frozen=True)
class ColorViews:
    """SimCLR's views: a random crop, a flip, colours shifted or dropped.

    Parameters
    ----------
    generator : torch.Generator
        Draws everything, on the images' device.
    min_area : float
        The smallest share of the image's area that is kept, before a crop longer than
        the image is cut to it.
    max_aspect : float
        The largest ratio of the crop's sides.
    jitter : float
        The strength of brightness, contrast and saturation; a quarter of it turns the
        hue (as a share of the full circle).
    jitter_probability, grey_probability, flip_probability : float
        How often each is applied.

    References
    ----------
    .. [1] T. Chen et al., "A Simple Framework for Contrastive Learning of Visual
       Representations" (SimCLR), ICML 2020, appendix A.
    """

    generator: torch.Generator
    min_area: float = 0.2
    max_aspect: float = 4 / 3
    jitter: float = 0.4
    jitter_probability: float = 0.8
    grey_probability: float = 0.2
    flip_probability: float = 0.5

    def __call__(self, images: Tensor) -> Tensor:
        """Return one view of each image, which must have three channels."""
        if images.shape[1] != 3:
            raise ValueError(
                "ColorViews takes images of 3 channels (b, 3, h, w); got shape "
                f"{tuple(images.shape)}. For grey images there is GreyViews."
            )
        draw = _Draw(len(images), self.generator)
        return self._recolor(self._crop(images, draw), draw)

    def _crop(self, images: Tensor, draw: _Draw) -> Tensor:
        area = self.min_area + (1 - self.min_area) * draw.uniform()
        aspect = torch.exp(math.log(self.max_aspect) * draw.symmetric())
        # At most the whole image: a wide crop of a large area is cut to its frame.
        width = (area * aspect).sqrt().clamp(max=1)
        height = (area / aspect).sqrt().clamp(max=1)
        dx, dy = (1 - width) * draw.symmetric(), (1 - height) * draw.symmetric()
        width = torch.where(draw.chance(self.flip_probability), -width, width)
        zero = torch.zeros_like(width)
        return _resample(images, [[width, zero, dx], [zero, height, dy]])

    def _recolor(self, images: Tensor, draw: _Draw) -> Tensor:
        brightness, contrast, saturation = (
            1 + self.jitter * draw.symmetric() for _ in range(3)
        )
        turn = 0.5 * math.pi * self.jitter * draw.symmetric()
        identity = torch.eye(3, device=images.device)
        # Every step is linear in the colours, so all of them are one matrix an image.
        colors = _saturation_matrix(saturation) @ _hue_matrix(turn)
        colors = colors * brightness.view(-1, 1, 1)
        jittered = draw.chance(self.jitter_probability).view(-1, 1, 1)
        colors = torch.where(jittered, colors, identity)
        grey = draw.chance(self.grey_probability).view(-1, 1, 1)
        colors = (
            torch.where(grey, _saturation_matrix(torch.zeros_like(turn)), identity)
            @ colors
        )
        views = torch.einsum("bij,bjhw->bihw", colors, images)
        contrast = torch.where(jittered.view(-1), contrast, 1.0).view(-1, 1, 1, 1)
        level = views.mean(dim=(1, 2, 3), keepdim=True)
        return (level + contrast * (views - level)).clamp_(0, 1)


class _Draw:
    """Random numbers, one an image."""

    def __init__(self, n_images: int, generator: torch.Generator) -> None:
        self.n_images = n_images
        self.generator = generator

    def uniform(self) -> Tensor:
        """Return numbers in [0, 1)."""
        return torch.rand(
            self.n_images, generator=self.generator, device=self.generator.device
        )

    def symmetric(self) -> Tensor:
        """Return numbers in [-1, 1)."""
        return 2 * self.uniform() - 1

    def chance(self, probability: float) -> Tensor:
        """Return True with the given probability."""
        return self.uniform() < probability


def _resample(images: Tensor, rows: list[list[Tensor]]) -> Tensor:
    """Sample each image along its own affine map, given as rows of 2 x 3 numbers."""
    maps = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)  # (b, 2, 3)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _saturation_matrix(saturation: Tensor) -> Tensor:
    """Return the colour maps (b, 3, 3) from grey, at 0, to unchanged, at 1."""
    grey = torch.tensor(_LUMA, device=saturation.device).expand(3, 3)
    identity = torch.eye(3, device=saturation.device)
    return grey + saturation.view(-1, 1, 1) * (identity - grey)


def _hue_matrix(angle: Tensor) -> Tensor:
    """Return the colour maps (b, 3, 3) that turn the colours about the grey axis."""
    # Rodrigues' rotation about (1, 1, 1) / sqrt(3)
    device = angle.device
    axis = torch.full((3, 3), 1 / 3, device=device)
    cross = torch.tensor(
        [[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=device
    ) / math.sqrt(3)
    angle = angle.view(-1, 1, 1)
    identity = torch.eye(3, device=device)
    return angle.cos() * identity + angle.sin() * cross + (1 - angle.cos()) * axis
