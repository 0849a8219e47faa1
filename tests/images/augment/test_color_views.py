"""Colour views: what they draw, how often, and from what."""

import math
from itertools import permutations

import pytest
import torch
from augment_helpers import (
    N_DRAWS,
    affine_maps,
    assert_even,
    assert_same_distribution,
    assert_share,
    assert_uniform,
    generator,
    ramps,
)
from torchvision.transforms import RandomResizedCrop

from sklearn_scan.images.augment import ColorViews
from sklearn_scan.images.augment._draws import Draws
from sklearn_scan.images.augment._views import _JITTER

SAME_CROP = {"min_area": 1, "max_aspect": 1, "flip_probability": 0}
SAME_COLORS = {"jitter_probability": 0, "grey_probability": 0}

# -- the crop --------------------------------------------------------------------------


def torchvision_boxes(height, width, min_area, max_aspect):
    """Return left, top, width and height as torchvision draws them, (4, n)."""
    image = torch.empty(1, height, width)
    scale, ratio = (min_area, 1), (1 / max_aspect, max_aspect)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        boxes = [
            RandomResizedCrop.get_params(image, scale, ratio) for _ in range(N_DRAWS)
        ]
    return torch.tensor(boxes).T[[1, 0, 3, 2]].float()


@pytest.mark.parametrize(
    ("height", "width", "min_area", "max_aspect"),
    [(32, 32, 0.2, 4 / 3), (96, 64, 0.08, 2), (9, 30, 0.6, 4 / 3), (30, 9, 0.9, 1)],
)
def test_crops_are_drawn_as_by_torchvision(height, width, min_area, max_aspect):
    views = ColorViews(min_area=min_area, max_aspect=max_aspect)
    ours = views._draw_boxes(Draws(N_DRAWS, generator()), height, width)
    theirs = torchvision_boxes(height, width, min_area, max_aspect)
    assert torch.equal(ours, ours.round())
    for row in (
        *zip(ours, theirs, strict=True),
        (ours[2] * ours[3], theirs[2] * theirs[3]),
    ):
        assert_same_distribution(*row)
    left, top, crop_width, crop_height = ours
    assert ours.min() >= 0
    assert crop_width.min() >= 1
    assert crop_height.min() >= 1
    assert (left + crop_width).max() <= width
    assert (top + crop_height).max() <= height


def test_crops_are_seen_where_they_were_drawn():
    views = ColorViews(**SAME_COLORS, generator=generator())
    maps = affine_maps(views(ramps()))
    left, top, width, height = views._draw_boxes(Draws(N_DRAWS, generator()), 8, 8) / 8
    torch.testing.assert_close(maps[:, 0, 0].abs(), width, rtol=0, atol=1e-4)
    torch.testing.assert_close(maps[:, 1, 1], height, rtol=0, atol=1e-4)
    center = torch.stack([left + width / 2, top + height / 2], dim=1) * 2 - 1
    torch.testing.assert_close(maps[:, :, 2], center, rtol=0, atol=1e-4)


def test_white_stays_white():
    # The weights of a view's pixels may sum to more than one, in float32.
    white = torch.ones(300, 3, 17, 31)
    assert ColorViews(**SAME_COLORS, generator=generator())(white).max() == 1


@pytest.mark.parametrize("probability", [0, 0.3, 0.5, 1])
def test_flip_probability(probability):
    views = ColorViews(
        flip_probability=probability, **SAME_COLORS, generator=generator()
    )
    assert_share(affine_maps(views(ramps()))[:, 0, 0] < 0, probability)


# -- the colours -----------------------------------------------------------------------


def recolor(color, **settings):
    """Return what becomes of images of one colour, (n, 3)."""
    images = torch.as_tensor(color).view(1, 3, 1, 1).repeat(N_DRAWS, 1, 2, 2)
    views = ColorViews(**SAME_CROP, **settings, generator=generator())
    return views(images)[:, :, 0, 0]


def test_grey_probability():
    colors = recolor([0.9, 0.5, 0.1], jitter_probability=0, grey_probability=0.2)
    grey = (colors.amax(dim=1) - colors.amin(dim=1)) < 1e-5
    assert_share(grey, 0.2)
    luma = 0.299 * 0.9 + 0.587 * 0.5 + 0.114 * 0.1
    torch.testing.assert_close(colors[grey], torch.full_like(colors[grey], luma))


@pytest.mark.parametrize("probability", [0, 0.8, 1])
def test_jitter_probability(probability):
    colors = recolor(
        [0.6, 0.5, 0.4], jitter_probability=probability, grey_probability=0
    )
    changed = (colors - torch.tensor([0.6, 0.5, 0.4])).abs().amax(dim=1) > 1e-5
    assert_share(changed, probability)


def chroma(colors):
    return colors.amax(dim=-1) - colors.amin(dim=-1)


def test_brightness_contrast_and_saturation():
    # Hue and saturation leave a grey image as it is; it tells of the other two.
    stripes = torch.tensor([0.45, 0.55]).expand(N_DRAWS, 3, 2, 2)
    settings = {"jitter": 0.4, "jitter_probability": 1, "grey_probability": 0}
    views = ColorViews(**SAME_CROP, **settings, generator=generator())
    dark, light = views(stripes)[:, 0, 0].T
    brightness = (light + dark) / 2 / 0.5
    contrast = (light - dark) / 0.1 / brightness
    assert_uniform(brightness - 1, 0.4)
    assert_uniform(contrast - 1, 0.4)
    # The same draws on a reddish image: all three change its distance from grey.
    color = torch.tensor([0.5, 0.45, 0.45])
    distance = chroma(recolor(color, **settings)) / chroma(color)
    assert_uniform(distance / brightness / contrast - 1, 0.4)


def test_hue_turns_by_a_quarter_of_the_jitter():
    # Red becomes somewhat yellow, or purple. The other steps keep the hue.
    red, green, blue = recolor(
        [0.5, 0.4, 0.4], jitter=0.4, jitter_probability=1, grey_probability=0
    ).T
    assert (red >= green).all()
    assert (red >= blue).all()
    sixths = (green - blue) / (red - torch.minimum(green, blue))
    assert_uniform(sixths / 6, 0.1)


def test_strong_jitter_never_multiplies_by_less_than_zero():
    rounds = ColorViews(jitter=1.5)._draw_jitter(Draws(N_DRAWS, generator()))
    for operation, _, factors in (part for parts in rounds for part in parts[:3]):
        assert 0 <= factors.min() < 0.05, operation.__name__
        assert 2.45 < factors.max() <= 2.5, operation.__name__


def test_every_order_of_the_jitter_is_as_likely():
    rounds = ColorViews(jitter_probability=1)._draw_jitter(Draws(N_DRAWS, generator()))
    orders = torch.full((N_DRAWS, 4), -1)
    for i, parts in enumerate(rounds):
        for operation, members, _ in parts:
            orders[members, i] = _JITTER.index(operation)
    counts = [
        (orders == torch.tensor(order)).all(dim=1).sum().item()
        for order in permutations(range(4))
    ]
    assert sum(counts) == N_DRAWS
    assert_even(counts)


def test_only_the_jittered_take_part():
    rounds = ColorViews()._draw_jitter(Draws(N_DRAWS, generator()))
    members = [
        torch.cat([part.members for part in parts]).sort()[0] for parts in rounds
    ]
    jittered = torch.zeros(N_DRAWS, dtype=torch.bool)
    jittered[members[0]] = True
    assert_share(jittered, 0.8)
    for others in members[1:]:
        assert torch.equal(others, members[0])


def test_hue_range_is_a_quarter_of_the_jitter_at_most_half_a_turn():
    assert math.isclose(ColorViews(jitter=2).jitter / 4, 0.5)
    with pytest.raises(ValueError, match="jitter"):
        ColorViews(jitter=2.1)
