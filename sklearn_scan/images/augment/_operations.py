"""Operations on pixels, with a magnitude for each image.

Each takes images (b, c, h, w) in [0, 1], with one channel or three, and magnitudes (b,)
on the same device. It may write to the images it is given, and returns the result. They
follow Pillow's operations of the same names, but do not round to whole grey levels
unless that is their purpose.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEVELS = 256
_WHITE = _LEVELS - 1


def identity(images: Tensor, _magnitudes: Tensor) -> Tensor:
    """Return the images as they are."""
    return images


def flip(images: Tensor, _magnitudes: Tensor) -> Tensor:
    """Mirror the images left to right; the magnitude is not used."""
    return images.flip(3)


def grayscale(images: Tensor, _magnitudes: Tensor) -> Tensor:
    """Replace colours by their luma; the magnitude is not used."""
    return _luma(images).expand_as(images)


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Multiply by `factors`: 0 is black, 1 is unchanged."""
    return images.mul_(_each(factors)).clamp_(0, 1)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the images' mean luma: 0 is that grey, 1 is unchanged."""
    return _blend(images, _luma(images).mean(dim=(2, 3), keepdim=True), factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the luma: 0 is grey, 1 is unchanged. Pillow calls it Color."""
    return _blend(images, _luma(images), factors)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with a smoothed image: 0 is smooth, 1 is unchanged.

    The filter is Pillow's SMOOTH: weights of 5 for a pixel and 1 for each of its eight
    neighbours. As in Pillow, pixels at the border stay as they are.
    """
    inner = images[:, :, 1:-1, 1:-1]
    rows = images[:, :, :-2] + images[:, :, 1:-1]
    rows += images[:, :, 2:]
    smooth = rows[..., :-2] + rows[..., 1:-1]
    smooth += rows[..., 2:]
    smooth.add_(inner, alpha=4).div_(13)
    _blend(inner, smooth, factors)
    return images


def hue(images: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue of HSV by `turns` of the full circle, in [-0.5, 0.5]."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)  # each (b, h, w)
    high, low = torch.maximum(green, blue), torch.minimum(green, blue)
    value = torch.maximum(red, high)
    chroma = value - torch.minimum(red, low)
    sixths = _distance_from_red(red, high, low, value, chroma)
    sixths.copysign_(green - blue).add_(6 * turns.view(-1, 1, 1))
    sixths.sub_((sixths / 6).round_().mul_(6))  # in [-3, 3]
    for channel, offset in enumerate((3, 1, -1)):
        # the value minus the channel, in units of the chroma: a trapezoid
        below = (sixths + offset).abs_().sub_(3).abs_().sub_(1).clamp_(0, 1)
        torch.sub(value, below.mul_(chroma), out=images[:, channel])
    return images


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Invert the levels from `thresholds` on, in [0, 256]; 256 inverts none."""
    # half a level below the first inverted one, so that rounding does not matter
    bounds = (thresholds.ceil() - 0.5) / _WHITE
    inverted = torch.gt(images, _each(bounds), out=torch.empty_like(images))
    return images.sub_(inverted).abs_()  # |x - 1| is 1 - x; `where` is ten times slower


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the `bits` highest of each level's 8 bits; parts of a bit are dropped."""
    steps = _each(torch.exp2(8 - bits.floor()))
    return images.mul_(_WHITE).round_().div_(steps).floor_().mul_(steps / _WHITE)


def autocontrast(images: Tensor, _magnitudes: Tensor) -> Tensor:
    """Stretch each channel to the full range; the magnitude is not used."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    # in a channel of one level there are only rounding errors to stretch
    flat = high - low < 0.5 / _WHITE
    low.masked_fill_(flat, 0)
    return images.sub_(low).div_((high - low).masked_fill_(flat, 1))


def equalize(images: Tensor, _magnitudes: Tensor) -> Tensor:
    """Equalise each channel's histogram of 256 levels; the magnitude is not used."""
    n_images, n_channels, height, width = images.shape
    levels = images.mul_(_WHITE).round_().long().view(-1, height * width)
    counts = images.new_zeros(n_images * n_channels, _LEVELS)
    counts.scatter_add_(1, levels, torch.ones_like(levels, dtype=images.dtype))
    # Pillow's rule: the brightest level present is not counted in the step
    brightest = counts.gather(1, levels.amax(dim=1, keepdim=True))
    step = ((height * width - brightest) / _WHITE).floor_()
    below = counts.cumsum(dim=1) - counts
    table = (below + (step / 2).floor_()).div_(step).floor_().clamp_(max=_WHITE)
    unchanged = torch.arange(_LEVELS, device=images.device, dtype=images.dtype)
    table = torch.where(step > 0, table, unchanged).div_(_WHITE)
    return table.gather(1, levels).view_as(images)


def _distance_from_red(
    red: Tensor, high: Tensor, low: Tensor, value: Tensor, chroma: Tensor
) -> Tensor:
    """Return the hue's distance from red, in sixths of the circle, from 0 to 3.

    `high` and `low` are the higher and the lower of green and blue. If red is the
    highest of the three, the distance is (high - low) / chroma, else it is
    2 + (low - red) / chroma. Both are one formula, since the chroma is red - low in the
    first case, and the value is `high` in the second. Greys have no hue: they may have
    any number.
    """
    numerator = (low - red).sub_(value - high)
    tiny = torch.finfo(red.dtype).tiny
    return numerator.div_(chroma.clamp_min(tiny)).add_(2)


def _each(numbers: Tensor) -> Tensor:
    """Return numbers (b,) in a shape that is broadcast over images (b, c, h, w)."""
    return numbers.view(-1, 1, 1, 1)


def _blend(images: Tensor, others: Tensor, factors: Tensor) -> Tensor:
    """Blend `others`, at 0, with the images, at 1, or go beyond; write to both."""
    images.mul_(_each(factors)).add_(others.mul_(_each(1 - factors)))
    return images.clamp_(0, 1)


def _luma(images: Tensor) -> Tensor:
    """Return new images (b, 1, h, w) of the luma, by the weights of ITU-R 601-2."""
    if images.shape[1] == 1:
        return images.clone()
    red, green, blue = torch.split(images, 1, dim=1)
    return (red * 0.299).add_(green, alpha=0.587).add_(blue, alpha=0.114)
