"""Grey views: what they draw, and from what."""

import math

import pytest
import torch
from augment_helpers import N_DRAWS, affine_maps, assert_uniform, generator, ramps

from sklearn_scan.images.augment import GreyViews

SAME_PLACE = {"rotation": 0, "scale": 1, "shear": 0, "translation": 0, "noise": 0}


def grey_maps(**settings):
    """Return the maps that grey views draw with all but `settings` switched off."""
    views = GreyViews(**(SAME_PLACE | settings), generator=generator())
    return affine_maps(views(ramps()))


def test_rotation():
    maps = grey_maps(rotation=15)
    angle = torch.atan2(maps[:, 1, 0], maps[:, 0, 0])
    assert_uniform(angle.rad2deg(), 15)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1)
    torch.testing.assert_close(maps[:, :, :2].flatten(1), turn, rtol=0, atol=1e-4)


def test_scale():
    maps = grey_maps(scale=1.2)
    assert_uniform(maps[:, 0, 0].log(), math.log(1.2))
    torch.testing.assert_close(maps[:, 0, 0], maps[:, 1, 1], rtol=0, atol=1e-4)


def test_shear():
    maps = grey_maps(shear=0.2)
    assert_uniform(maps[:, 0, 1], 0.2)
    maps[:, 0, 1] = 0
    torch.testing.assert_close(maps, torch.eye(2, 3).expand_as(maps), rtol=0, atol=1e-4)


def test_translation():
    shift = grey_maps(translation=0.075)[:, :, 2] / 2
    for values in shift.T:
        assert_uniform(values, 0.075)
    assert shift.T.corrcoef()[0, 1].abs() < 5 / N_DRAWS**0.5


def test_noise():
    images = torch.full((100, 1, 20, 20), 0.5)
    noise = (
        GreyViews(**(SAME_PLACE | {"noise": 0.1}), generator=generator())(images) - 0.5
    )
    assert noise.std().item() == pytest.approx(0.1, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=5 * 0.1 / 200)


def test_grey_views_never_flip():
    maps = affine_maps(GreyViews(noise=0, generator=generator())(ramps()))
    assert (torch.linalg.det(maps[:, :, :2]) > 0).all()
    assert (maps[:, 0, 0] > 0).all()


def test_images_that_are_not_square_are_turned_without_being_sheared():
    # A tall image: along a column, places differ by pixels, as along a row.
    images = ramps(200).repeat_interleave(3, dim=2)  # (n, 3, 24, 8)
    images[:, 1] = (torch.arange(24).view(24, 1) + 0.5) / 24
    views = GreyViews(**(SAME_PLACE | {"rotation": 15}), generator=generator())(images)
    x, y = views[:, 0, 11:13, 3:5] * 8, views[:, 1, 11:13, 3:5] * 24
    cosine, sine = x.diff(dim=2).mean(dim=(1, 2)), y.diff(dim=2).mean(dim=(1, 2))
    assert sine.abs().max() > 0.2
    torch.testing.assert_close(torch.hypot(cosine, sine), torch.ones(200))
    torch.testing.assert_close(y.diff(dim=1).mean(dim=(1, 2)), cosine)
    torch.testing.assert_close(x.diff(dim=1).mean(dim=(1, 2)), -sine)
