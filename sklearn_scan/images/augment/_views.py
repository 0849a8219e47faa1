"""The views of contrastive pretexts, for grey images and for coloured ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sklearn_scan.core.sending import send
from sklearn_scan.core.validation import check_real
from sklearn_scan.images.augment import _operations
from sklearn_scan.images.augment._draws import Draws, check_generator, check_images
from sklearn_scan.images.augment._engine import Part, apply_rounds, make_round
from sklearn_scan.images.augment._geometry import (
    affine_maps,
    normalize,
    resample,
    resize_crops,
)

_CROP_TRIES = 10
_JITTER = (
    _operations.brightness,
    _operations.contrast,
    _operations.saturation,
    _operations.hue,
)


@dataclass(frozen=True)
class GreyViews:
    """Views of grey images: a random affine map, and noise.

    Images are not mirrored, since letters, digits and scans differ from their mirror
    images. Places outside the image take the nearest border pixel.

    Parameters
    ----------
    rotation : float, default=15.0
        The largest angle, in degrees.
    scale : float, default=1.2
        The largest magnification; 1 / scale is the smallest.
    shear : float, default=0.2
        The largest shift of the upper edge against the lower, per unit of height.
    translation : float, default=0.075
        The largest shift, as a share of the image's side.
    noise : float, default=0.15
        The standard deviation of the noise added to every pixel.
    generator : torch.Generator or None, default=None
        A generator of the CPU; None draws from torch's global state.

    Examples
    --------
    >>> import torch
    >>> from sklearn_scan.images.augment import GreyViews
    >>> GreyViews()(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 1, 8, 8])
    """

    rotation: float = 15.0
    scale: float = 1.2
    shear: float = 0.2
    translation: float = 0.075
    noise: float = 0.15
    generator: torch.Generator | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("rotation", "shear", "translation", "noise"):
            check_real(name, getattr(self, name), minimum=0)
        check_real("scale", self.scale, minimum=1)
        check_generator(self.generator)

    def __call__(self, images: Tensor) -> Tensor:
        """Return one view of each image (b, c, h, w), of one channel or three."""
        check_images(images, (1, 3))
        draws = Draws(len(images), self.generator)
        maps = self._draw_maps(draws, images.shape[2], images.shape[3])
        maps = send(maps, images.device, images.dtype)
        views = resample(images, maps, mode="bilinear", padding_mode="border")
        return views.add_(draws.normal_like(views), alpha=self.noise).clamp_(0, 1)

    def _draw_maps(self, draws: Draws, height: int, width: int) -> Tensor:
        angle = draws.symmetric(math.radians(self.rotation))
        zoom = draws.symmetric(math.log(self.scale)).exp()
        cosine, sine = zoom * angle.cos(), zoom * angle.sin()
        shear = draws.symmetric(self.shear)
        dx, dy = (draws.symmetric(self.translation * side) for side in (width, height))
        maps = affine_maps([[cosine, shear - sine, dx], [sine, cosine, dy]])
        return normalize(maps, (height, width))


@dataclass(frozen=True)
class ColorViews:
    """SimCLR's views: a random crop, a flip, colours shifted or dropped.

    They are those of torchvision's RandomResizedCrop, RandomHorizontalFlip, ColorJitter
    (with its four steps in another order for each image) and RandomGrayscale for
    Pillow's images, without the rounding to whole grey levels.

    Parameters
    ----------
    min_area : float, default=0.2
        The smallest share of the image's area that is kept.
    max_aspect : float, default=4/3
        The largest ratio of the crop's sides.
    jitter : float, default=0.4
        The strength of brightness, contrast and saturation; a quarter of it turns the
        hue (as a share of the full circle).
    jitter_probability, grey_probability, flip_probability : float
        The probability of each, by default 0.8, 0.2 and 0.5.
    generator : torch.Generator or None, default=None
        A generator of the CPU; None draws from torch's global state.

    References
    ----------
    .. [1] T. Chen et al., "A Simple Framework for Contrastive Learning of Visual
       Representations" (SimCLR), ICML 2020, arXiv:2002.05709, appendix A.

    Examples
    --------
    >>> import torch
    >>> from sklearn_scan.images.augment import ColorViews
    >>> ColorViews()(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 3, 32, 32])
    """

    min_area: float = 0.2
    max_aspect: float = 4 / 3
    jitter: float = 0.4
    jitter_probability: float = 0.8
    grey_probability: float = 0.2
    flip_probability: float = 0.5
    generator: torch.Generator | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_real("min_area", self.min_area, minimum=0, maximum=1, boundaries="right")
        check_real("max_aspect", self.max_aspect, minimum=1)
        # beyond 2, the hue would turn by more than half the circle
        check_real("jitter", self.jitter, minimum=0, maximum=2)
        for name in ("jitter_probability", "grey_probability", "flip_probability"):
            check_real(name, getattr(self, name), minimum=0, maximum=1)
        check_generator(self.generator)

    def __call__(self, images: Tensor) -> Tensor:
        """Return one view of each image (b, 3, h, w)."""
        check_images(images, (3,))
        draws = Draws(len(images), self.generator)
        boxes = self._draw_boxes(draws, images.shape[2], images.shape[3])
        flipped = draws.chance(self.flip_probability)
        views = resize_crops(images, boxes, flipped)
        grey = draws.chance(self.grey_probability).nonzero()[:, 0]
        drop = Part(_operations.grayscale, grey, torch.zeros(len(grey)))
        views = apply_rounds(views, [*self._draw_jitter(draws), [drop]])
        # weights of pixels and of colours sum to one, but for rounding errors
        return views.clamp_(0, 1)

    def _draw_boxes(self, draws: Draws, height: int, width: int) -> Tensor:
        """Return the crops' left, top, width and height, (4, b)."""
        area = height * width * draws.uniform(self.min_area, 1, rows=_CROP_TRIES)
        bound = math.log(self.max_aspect)
        aspect = draws.uniform(-bound, bound, rows=_CROP_TRIES).exp()
        tries = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()]).round()
        frame = torch.tensor([[[width]], [[height]]])
        valid = ((tries > 0) & (tries <= frame)).all(dim=0)  # (try, b)
        first = valid.int().argmax(dim=0)
        sizes = tries[:, first, torch.arange(draws.n_images)]  # (2, b)
        left, top = (
            draws.below(side - crop + 1)
            for side, crop in zip((width, height), sizes, strict=True)
        )
        boxes = torch.stack([left, top, *sizes])
        return torch.where(valid.any(dim=0), boxes, self._largest_box(height, width))

    def _largest_box(self, height: int, width: int) -> Tensor:
        """Return the largest centred crop, (4, 1), for images where no try fits."""
        crop_width = min(width, round(height * self.max_aspect))
        crop_height = min(height, round(width * self.max_aspect))
        left, top = (width - crop_width) // 2, (height - crop_height) // 2
        return torch.tensor([[left], [top], [crop_width], [crop_height]])

    def _draw_jitter(self, draws: Draws) -> list[list[Part]]:
        """Return the four steps of the jitter as rounds, in each image's own order."""
        low, high = max(0.0, 1 - self.jitter), 1 + self.jitter
        factors = draws.uniform(low, high, rows=3)
        turns = draws.symmetric(self.jitter / 4)
        magnitudes = torch.cat([factors, turns.unsqueeze(0)])  # (step, b)
        orders = draws.orders(len(_JITTER))  # (round, b)
        magnitudes = magnitudes.gather(0, orders)
        # images without jitter have numbers beyond the last step
        orders[:, ~draws.chance(self.jitter_probability)] = len(_JITTER)
        return [
            make_round(_JITTER, choices, arguments)
            for choices, arguments in zip(orders, magnitudes, strict=True)
        ]


def default_views(
    n_channels: int, generator: torch.Generator | None = None
) -> GreyViews | ColorViews:
    """Return the views for grey images, of one channel, or coloured ones, of three."""
    if n_channels == 1:
        return GreyViews(generator=generator)
    return ColorViews(generator=generator)
