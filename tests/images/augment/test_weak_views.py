"""Weak views: shifts by whole pixels, and flips."""

import pytest
import torch
from augment_helpers import N_DRAWS, assert_even, assert_share, generator, ramps
from torch.nn import functional as F

from sklearn_scan.images.augment import WeakViews


def numbered(n_images, height, width):
    """Return images whose pixels all differ."""
    pixels = torch.arange(3 * height * width) / (3 * height * width)
    return pixels.view(3, height, width).repeat(n_images, 1, 1, 1)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (8, 24)])
def test_a_view_is_a_crop_of_the_image_padded_by_reflection(height, width, flips):
    images = numbered(200, height, width)
    views = WeakViews(flip_probability=float(flips), generator=generator())(images)
    up, left = height // 8, width // 8
    padded = F.pad(images[:1], (left, left, up, up), mode="reflect")
    crops = {
        (y, x): padded[0, :, y : y + height, x : x + width]
        for y in range(2 * up + 1)
        for x in range(2 * left + 1)
    }
    if flips:
        crops = {place: crop.flip(2) for place, crop in crops.items()}
    counts = dict.fromkeys(crops, 0)
    for view in views:
        (place,) = (each for each, crop in crops.items() if torch.equal(view, crop))
        counts[place] += 1
    assert_even([*counts.values()])


def test_flips_come_as_often_as_asked():
    views = WeakViews(shift=0, flip_probability=0.3, generator=generator())(ramps())
    assert_share(views[:, 0, 0, 0] > 0.5, 0.3)
    assert len(views) == N_DRAWS
    assert torch.equal(views[:, 1], ramps()[:, 1])  # never upside down


@pytest.mark.parametrize(("side", "expected"), [(7, 0), (8, 1), (31, 3), (32, 4)])
def test_the_shift_is_whole_pixels(side, expected):
    images = torch.arange(float(side)).view(1, 1, 1, side).repeat(500, 1, side, 1)
    views = WeakViews(flip_probability=0, generator=generator())(images / side)
    middle = views[:, 0, 0, side // 2] * side - side // 2
    assert middle.abs().max().round() == expected


def test_the_largest_shift_leaves_an_image():
    images = numbered(300, 4, 5)
    views = WeakViews(shift=0.99, generator=generator())(images)
    assert views.isfinite().all()
    assert views.unique().numel() <= images.unique().numel()
