"""Resampling of images by affine maps, one for each image.

A map (2, 3) leads from a place in the view to the place in the image that is shown
there. Places are in pixels from the image's centre, x to the right and y down. Maps are
made on the CPU and moved to the images' device once.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.core.sending import send

# The height and the width of images, in pixels.
Size = tuple[int, int]


def affine_maps(rows: list[list[Tensor]]) -> Tensor:
    """Return the maps (b, 2, 3) with the given coefficients, (b,) each."""
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=1)


def rotation(degrees: Tensor, _size: Size) -> Tensor:
    """Return the maps that turn images about their centre, counter-clockwise."""
    angle = degrees.deg2rad()
    cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return affine_maps([[cosine, -sine, zero], [sine, cosine, zero]])


def shear_x(slopes: Tensor, size: Size) -> Tensor:
    """Return the maps that shift rows by `slopes` times their distance from the top."""
    maps = _identities(len(slopes))
    maps[:, 0, 1] = slopes
    maps[:, 0, 2] = slopes * (size[0] / 2)
    return maps


def shear_y(slopes: Tensor, size: Size) -> Tensor:
    """Return the maps that shift columns by `slopes` times their distance from left."""
    maps = _identities(len(slopes))
    maps[:, 1, 0] = slopes
    maps[:, 1, 2] = slopes * (size[1] / 2)
    return maps


def translation_x(shares: Tensor, size: Size) -> Tensor:
    """Return the maps that move images to the left by `shares` of their width."""
    maps = _identities(len(shares))
    maps[:, 0, 2] = shares * size[1]
    return maps


def translation_y(shares: Tensor, size: Size) -> Tensor:
    """Return the maps that move images up by `shares` of their height."""
    maps = _identities(len(shares))
    maps[:, 1, 2] = shares * size[0]
    return maps


def normalize(maps: Tensor, size: Size) -> Tensor:
    """Return the maps (..., 2, 3) in half sides, the units of `resample`."""
    halves = torch.tensor([size[1] / 2, size[0] / 2, 1.0])
    return maps * halves / halves[:2].unsqueeze(1)


def resample(images: Tensor, maps: Tensor, *, mode: str, padding_mode: str) -> Tensor:
    """Return images (b, c, h, w) resampled by their maps (b, 2, 3).

    `maps` are those of `normalize`, on the images' device; `mode` and `padding_mode`
    are those of `torch.nn.functional.grid_sample`.
    """
    height, width = images.shape[2:]
    xx, xy, x0, yx, yy, y0 = maps.view(-1, 6, 1, 1).unbind(1)  # each (b, 1, 1)
    x = _pixel_centers(width, images)
    y = _pixel_centers(height, images).unsqueeze(1)
    # (affine_grid makes the same grid in four times the time)
    grid = images.new_empty(len(images), height, width, 2)
    torch.add(xx * x + x0, xy * y, out=grid[..., 0])
    torch.add(yy * y + y0, yx * x, out=grid[..., 1])
    return F.grid_sample(
        images, grid, mode=mode, padding_mode=padding_mode, align_corners=False
    )


def resize_crops(images: Tensor, boxes: Tensor, flipped: Tensor) -> Tensor:
    """Return a crop of each image, scaled to the image's size, bilinearly.

    Pixels outside the crop do not count, as if it had been cut out first.
    """
    height, width = images.shape[2:]
    left, top, crop_width, crop_height = boxes
    scale = torch.where(flipped, -crop_width, crop_width)
    lines = torch.stack(
        [
            torch.stack([left, crop_width, scale]) / width,
            torch.stack([top, crop_height, crop_height]) / height,
        ]
    )
    lines = send(lines, images.device, images.dtype).unsqueeze(-1)
    grid = images.new_empty(len(images), height, width, 2)
    grid[..., 0] = _crop_places(lines[0], width, images).unsqueeze(1)
    grid[..., 1] = _crop_places(lines[1], height, images).unsqueeze(2)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _crop_places(lines: Tensor, side: int, images: Tensor) -> Tensor:
    """Return the places in [-1, 1] of the pixels of crops (b, side), along one axis.

    `lines` holds the crops' starts, lengths and signed lengths as shares of the side,
    (3, b, 1).
    """
    start, length, signed = lines.unbind()
    first, last = 2 * start - 1, 2 * (start + length) - 1
    places = signed * _pixel_centers(side, images) + (first + last) / 2
    # the outermost places are the centres of the crop's outermost pixels
    return places.clamp_(first + 1 / side, last - 1 / side)


def _pixel_centers(side: int, images: Tensor) -> Tensor:
    """Return the centres of `side` pixels that span [-1, 1]."""
    last = 1 - 1 / side
    return torch.linspace(-last, last, side, device=images.device, dtype=images.dtype)


def _identities(n_images: int) -> Tensor:
    return torch.eye(2, 3).repeat(n_images, 1, 1)
