"""Strong views: what they draw, how often, and from what."""

import pytest
import torch
from augment_helpers import (
    N_DRAWS,
    assert_even,
    assert_fills_range,
    assert_share,
    generator,
)

from sklearn_scan.images.augment import StrongViews
from sklearn_scan.images.augment._draws import Draws

SAME_PLACE = {"n_operations": 0, "flip_probability": 0}
SAME_PIXELS = {"n_operations": 0, "max_cutout": 0}
# The side of the images whose maps are drawn, in pixels: twice the unit of the maps.
SIDE = 32

RANGES = {
    "solarize": (0, 256),
    "saturation": (0.05, 0.95),
    "contrast": (0.05, 0.95),
    "brightness": (0.05, 0.95),
    "sharpness": (0.05, 0.95),
    "posterize": (4, 8),
    "rotation": (-30, 30),
    "shear_x": (-0.1, 0.1),
    "shear_y": (-0.1, 0.1),
    "translation_x": (-0.1, 0.1),
    "translation_y": (-0.1, 0.1),
}
WITHOUT_RANGE = ["identity", "autocontrast", "equalize"]


def kinds_of_maps(maps):
    """Tell from maps (m, 2, 3) which operation made them: its members and numbers."""
    xx, xy, x0, yx, _, y0 = maps.flatten(1).T
    turned = (xy != 0) & (yx != 0)
    sheared_x, sheared_y = ~turned & (xy != 0), ~turned & (yx != 0)
    shifted = ~(turned | sheared_x | sheared_y)
    kinds = {
        "rotation": (turned, torch.atan2(yx, xx).rad2deg()),
        "shear_x": (sheared_x, xy),
        "shear_y": (sheared_y, yx),
        "translation_x": (shifted & (x0 != 0), x0 / 2),
        "translation_y": (shifted & (y0 != 0), y0 / 2),
    }
    return {
        name: (mask.nonzero()[:, 0], at[mask]) for name, (mask, at) in kinds.items()
    }


@pytest.fixture(scope="module")
def drawn():
    """Return rounds of draws: by name, the members and the magnitudes."""
    rounds = StrongViews()._draw_rounds(Draws(N_DRAWS, generator()), SIDE, SIDE)
    result = []
    for *pixelwise, (_, members, maps) in rounds:
        named = {part.operation.__name__: part[1:] for part in pixelwise}
        for name, (places, magnitudes) in kinds_of_maps(maps).items():
            named[name] = members[places], magnitudes
        result.append(named)
    return result


def test_every_round_draws_from_all_14_with_replacement(drawn):
    assert len(drawn) == 4
    first, second = (torch.full((N_DRAWS,), -1) for _ in range(2))
    for i, name in enumerate([*WITHOUT_RANGE, *RANGES]):
        first[drawn[0][name][0]] = i
        second[drawn[1][name][0]] = i
    # each image has one operation a round, and the second does not mind the first
    table = torch.zeros(14, 14)
    table.index_put_((first, second), torch.ones(N_DRAWS), accumulate=True)
    assert table.sum() == N_DRAWS
    assert_even(table)
    for named in drawn:
        counts = [len(members) for members, _ in named.values()]
        assert sum(counts) == N_DRAWS
        assert_even(counts)


@pytest.mark.parametrize("name", RANGES)
def test_magnitudes_are_uniform(drawn, name):
    low, high = RANGES[name]
    magnitudes = torch.cat([named[name][1] for named in drawn])
    assert_fills_range(magnitudes, low, high)


@pytest.mark.parametrize("n_operations", [0, 1, 7])
def test_number_of_operations(n_operations):
    views = StrongViews(n_operations=n_operations)
    rounds = views._draw_rounds(Draws(5, generator()), SIDE, SIDE)
    assert [sum(len(part.members) for part in parts) for parts in rounds] == [
        5
    ] * n_operations


@pytest.mark.parametrize("probability", [0, 0.5, 1])
def test_flip_probability(probability):
    images = torch.tensor([0.2, 0.7]).expand(N_DRAWS, 1, 2, 2)
    views = StrongViews(
        **{**SAME_PIXELS, "flip_probability": probability}, generator=generator()
    )(images)
    flipped = views[:, 0, 0, 0] > views[:, 0, 0, 1]
    assert_share(flipped, probability)
    assert torch.equal(views[flipped], images[flipped].flip(3))
    assert torch.equal(views[~flipped], images[~flipped])


# -- cutout ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def squares():
    """Return cutouts of up to 8 in 48 x 40: first rows and columns, and sizes."""
    views = StrongViews(**SAME_PLACE, max_cutout=8, generator=generator())
    views = views(torch.ones(N_DRAWS, 1, 48, 40))
    assert set(views.unique().tolist()) == {0.5, 1.0}
    grey = views[:, 0] == 0.5
    rows, columns = grey.any(dim=2).int(), grey.any(dim=1).int()
    sizes = torch.stack([rows.sum(dim=1), columns.sum(dim=1)])
    assert torch.equal(grey.sum(dim=(1, 2)), sizes.prod(dim=0))  # rectangles
    return torch.stack([rows.argmax(dim=1), columns.argmax(dim=1)]), sizes


def test_sides_of_cutouts(squares):
    starts, sizes = squares
    # Where the centre is far from the border, the whole square is seen.
    centers = starts + sizes // 2
    inside = ((centers > 8) & (centers < torch.tensor([[40], [32]]))).all(dim=0)
    height, width = sizes[:, inside]
    assert torch.equal(height, width)
    counts = height.bincount(minlength=9)[1:]
    assert len(counts) == 8
    assert_even(counts)


def test_centers_of_cutouts(squares):
    starts, sizes = squares
    for start, size, side in zip(starts, sizes, (48, 40), strict=True):
        centers = (start + size // 2)[(start > 0) & (start + size < side)]
        counts = centers.bincount(minlength=side)[8 : side - 8]
        assert_even(counts)
        # squares reach beyond all borders
        assert (start == 0).sum() > 100
        assert (start + size == side).sum() > 100


@pytest.mark.parametrize(
    ("size", "longest"),
    [((32, 32), 16), ((28, 60), 14), ((96, 96), 32), ((224, 300), 75)],
)
def test_the_longest_cutout_is_the_papers(size, longest):
    images = torch.ones(120, 1, *size)
    views = StrongViews(**SAME_PLACE, generator=generator())(images)
    grey = views[:, 0] == 0.5
    sides = torch.maximum(grey.any(dim=1).sum(dim=1), grey.any(dim=2).sum(dim=1))
    assert sides.max() <= longest
    assert sides.max() > 0.9 * longest


def test_no_cutout():
    images = torch.ones(50, 3, 8, 8)
    assert torch.equal(StrongViews(**SAME_PLACE, max_cutout=0)(images), images)


def test_cutouts_are_the_same_in_all_channels():
    images = torch.rand(50, 3, 8, 8, generator=generator())
    views = StrongViews(**SAME_PLACE, generator=generator())(images)
    changed = views != images
    assert changed.any()
    assert torch.equal(changed.any(dim=1), changed.all(dim=1))
