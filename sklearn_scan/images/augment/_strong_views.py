"""SCAN's strong views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_scan.core.sending import send
from sklearn_scan.core.validation import check_count, check_real
from sklearn_scan.images.augment import _geometry, _operations
from sklearn_scan.images.augment._draws import (
    Draws,
    check_generator,
    check_images,
    flip_probability,
)
from sklearn_scan.images.augment._engine import (
    Operation,
    Part,
    apply_rounds,
    make_round,
)

_GREY = 0.5


class _Pixelwise(NamedTuple):
    """An operation on pixels, and the range of its magnitude."""

    operation: Operation
    low: float = 0.0
    high: float = 0.0


class _Affine(NamedTuple):
    """A function from magnitudes and a size to maps, and the range of the magnitude."""

    maps: Callable[[Tensor, tuple[int, int]], Tensor]
    low: float
    high: float


# Table S2 of the paper.
_PIXELWISE = (
    _Pixelwise(_operations.identity),
    _Pixelwise(_operations.autocontrast),
    _Pixelwise(_operations.equalize),
    _Pixelwise(_operations.solarize, 0, 256),
    _Pixelwise(_operations.saturation, 0.05, 0.95),
    _Pixelwise(_operations.contrast, 0.05, 0.95),
    _Pixelwise(_operations.brightness, 0.05, 0.95),
    _Pixelwise(_operations.sharpness, 0.05, 0.95),
    _Pixelwise(_operations.posterize, 4, 8),
)
_AFFINE = (
    _Affine(_geometry.rotation, -30, 30),
    _Affine(_geometry.shear_x, -0.1, 0.1),
    _Affine(_geometry.shear_y, -0.1, 0.1),
    _Affine(_geometry.translation_x, -0.1, 0.1),
    _Affine(_geometry.translation_y, -0.1, 0.1),
)
_OPERATIONS = [entry.operation for entry in _PIXELWISE]
_LOWS, _HIGHS = torch.tensor(
    [(entry.low, entry.high) for entry in (*_PIXELWISE, *_AFFINE)]
).T
# Pillow's defaults, as in the paper's code: grey levels are those of the image, four
# maps do not blur a small image, and places outside the image are black.
_warp = partial(_geometry.resample, mode="nearest", padding_mode="zeros")


@dataclass(frozen=True)
class StrongViews:
    """SCAN's strong views: a flip, four of RandAugment's operations, Cutout.

    The operations of an image are drawn with replacement, as in RandAugment, from the
    14 of the paper's Table S2: Identity, AutoContrast, Equalize, Rotate by up to 30
    degrees, Solarize from a level in [0, 256], Color, Contrast, Brightness and
    Sharpness by factors in [0.05, 0.95], ShearX and ShearY by up to 0.1, TranslateX and
    TranslateY by up to a tenth of the size, and Posterize to 4 to 7 bits. They follow
    Pillow.

    Rotations, shears and shifts take the nearest pixel and fill with black, as Pillow
    does by default: grey levels are those of the image, and four operations do not blur
    a small image. Cutout fills with mid-grey, which is near the mean of natural images,
    and so near zero in normalised views.

    Parameters
    ----------
    n_operations : int, default=4
        The number of operations of each image.
    max_cutout : int or None, default=None
        The longest side of the square that is cut out, in pixels; all whole numbers
        from 1 are equally likely. Parts of it may lie outside the image. None takes
        half the shorter side of images of up to 32 pixels, and a third of larger ones,
        as in the paper: 16 for 32 pixels, 32 for 96 and 75 for 224. 0 cuts nothing.
    flip_probability : float, default=0.5
        The probability that an image is mirrored.
    generator : torch.Generator or None, default=None
        A generator of the CPU; None draws from torch's global state.

    References
    ----------
    .. [1] W. Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
       ECCV 2020, arXiv:2005.12320, Table S2.
    .. [2] E. Cubuk et al., "RandAugment: Practical Automated Data Augmentation with a
       Reduced Search Space", NeurIPS 2020, arXiv:1909.13719.
    .. [3] T. DeVries and G. Taylor, "Improved Regularization of Convolutional Neural
       Networks with Cutout", 2017, arXiv:1708.04552.

    Examples
    --------
    >>> import torch
    >>> from sklearn_scan.images.augment import StrongViews
    >>> StrongViews()(torch.rand(5, 3, 32, 32)).shape
    torch.Size([5, 3, 32, 32])
    """

    n_operations: int = 4
    max_cutout: int | None = None
    flip_probability: float = 0.5
    generator: torch.Generator | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_count("n_operations", self.n_operations, minimum=0)
        if self.max_cutout is not None:
            check_count("max_cutout", self.max_cutout, minimum=0)
        check_real("flip_probability", self.flip_probability, minimum=0, maximum=1)
        check_generator(self.generator)

    def __call__(self, images: Tensor) -> Tensor:
        """Return one view of each image (b, c, h, w), of one channel or three."""
        check_images(images, (1, 3))
        draws = Draws(len(images), self.generator)
        rounds = [[_draw_flip(draws, self.flip_probability)]]
        rounds += self._draw_rounds(draws, images.shape[2], images.shape[3])
        return self._cut_out(apply_rounds(images, rounds), draws)

    def _draw_rounds(self, draws: Draws, height: int, width: int) -> list[list[Part]]:
        """Return the rounds; in each, all affine operations are one part."""
        choices = draws.choices(len(_LOWS), rows=self.n_operations)
        magnitudes = draws.uniform(rows=self.n_operations)
        magnitudes = torch.lerp(_LOWS[choices], _HIGHS[choices], magnitudes)
        maps = torch.zeros(*choices.shape, 2, 3)
        for number, entry in enumerate(_AFFINE, start=len(_OPERATIONS)):
            chosen = choices == number
            maps[chosen] = entry.maps(magnitudes[chosen], (height, width))
        maps = _geometry.normalize(maps, (height, width))
        affine = choices >= len(_OPERATIONS)
        rounds = []
        for i in range(self.n_operations):
            members = affine[i].nonzero()[:, 0]
            pixelwise = make_round(_OPERATIONS, choices[i], magnitudes[i])
            rounds.append([*pixelwise, Part(_warp, members, maps[i, members])])
        return rounds

    def _cut_out(self, views: Tensor, draws: Draws) -> Tensor:
        """Fill a square of each view with grey, in place."""
        height, width = views.shape[2:]
        longest = self._longest_cutout(min(height, width))
        if longest == 0:
            return views
        side = 1 + draws.below(longest)
        left, top = (draws.below(n) - (side / 2).floor() for n in (width, height))
        left, top, side = send(torch.stack([left, top, side]), views.device).unsqueeze(
            -1
        )
        columns = torch.arange(width, device=views.device)
        rows = torch.arange(height, device=views.device)
        columns = (columns >= left) & (columns < left + side)  # (b, w)
        rows = (rows >= top) & (rows < top + side)  # (b, h)
        rows, columns = rows.to(views.dtype), columns.to(views.dtype)
        square = rows[:, None, :, None] * columns[:, None, None, :]
        # by multiplication: filling by a mask takes several times as long
        return views.mul_(1 - square).add_(square, alpha=_GREY)

    def _longest_cutout(self, shorter: int) -> int:
        """Return the longest side of a cutout, given the shorter side of the images."""
        if self.max_cutout is not None:
            return self.max_cutout
        return shorter // 2 if shorter <= 32 else round(shorter / 3)


def _draw_flip(draws: Draws, probability: float) -> Part:
    members = draws.chance(probability).nonzero()[:, 0]
    return Part(_operations.flip, members, torch.zeros(len(members)))


def default_strong_views(
    n_channels: int, generator: torch.Generator | None = None
) -> StrongViews:
    """Return the strong views for images of `n_channels` channels.

    Grey images are not mirrored, since letters, digits and scans differ from their
    mirror images.
    """
    return StrongViews(
        flip_probability=flip_probability(n_channels), generator=generator
    )
