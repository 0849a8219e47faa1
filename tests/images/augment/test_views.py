"""What holds for all views."""

import copy
import pickle

import numpy as np
import pytest
import torch
from augment_helpers import generator, photographs

from sklearn_scan.images.augment import (
    ColorViews,
    GreyViews,
    StrongViews,
    WeakViews,
    default_strong_views,
    default_views,
    default_weak_views,
)

VIEWS = [GreyViews, ColorViews, StrongViews, WeakViews]
SAME_PLACE = {"rotation": 0, "scale": 1, "shear": 0, "translation": 0, "noise": 0}
SAME_COLORS = {"jitter_probability": 0, "grey_probability": 0}


def random_images(n_images=4, n_channels=3, height=9, width=12):
    return torch.rand(n_images, n_channels, height, width, generator=generator(7))


@pytest.mark.parametrize(
    "views",
    [
        GreyViews(**SAME_PLACE),
        ColorViews(min_area=1, max_aspect=1, flip_probability=0, **SAME_COLORS),
        StrongViews(n_operations=0, max_cutout=0, flip_probability=0),
        WeakViews(shift=0, flip_probability=0),
    ],
)
def test_identity_settings_reproduce_the_image(views):
    images = random_images(height=12)
    torch.testing.assert_close(views(images), images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", VIEWS)
def test_equal_images_in_a_batch_get_different_views(make):
    images = random_images(1, height=32, width=32).repeat(20, 1, 1, 1)
    views = make(generator=generator())(images)
    assert len(views.flatten(1).unique(dim=0)) > 15


@pytest.mark.parametrize("make", VIEWS)
def test_views_are_images_and_leave_the_given_ones_alone(make):
    black_and_white = random_images(100).round()  # where little overshoots
    white = torch.ones_like(black_and_white)
    images = torch.cat([black_and_white, random_images(100), white])
    before = images.clone()
    views = make(generator=generator())(images)
    assert views.shape == images.shape
    assert views.dtype == images.dtype
    assert views.min() >= 0
    assert views.max() <= 1
    assert torch.equal(images, before)


@pytest.mark.parametrize("make", VIEWS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (8, 8), (17, 31)])
@pytest.mark.parametrize("n_images", [0, 1, 7])
def test_any_size(make, size, n_images):
    channels = (3,) if make is ColorViews else (1, 3)
    for n_channels in channels:
        images = random_images(n_images, n_channels, *size)
        views = make(generator=generator())(images)
        assert views.shape == images.shape
        assert views.isfinite().all()


@pytest.mark.parametrize("make", VIEWS)
def test_memory_format_and_stride_do_not_matter(make):
    images = random_images(6)
    expected = make(generator=generator())(images)
    spread = random_images(12)
    spread[::2] = images
    for other in (
        images.contiguous(memory_format=torch.channels_last),
        spread[::2],
        images.mT.contiguous().mT,
    ):
        assert torch.equal(make(generator=generator())(other), expected)


def test_a_grey_image_repeated_over_the_channels_is_not_written_to():
    image = random_images(2, 1)
    before = image.clone()
    StrongViews(generator=generator())(image.expand(-1, 3, -1, -1))
    assert torch.equal(image, before)


@pytest.mark.parametrize("make", VIEWS)
def test_one_seed_gives_the_same_views(make):
    images = random_images()
    before = torch.get_rng_state()
    first, again, other = (
        make(generator=generator(seed))(images) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("make", VIEWS)
def test_without_a_generator_the_global_state_is_drawn_from(make):
    images = random_images()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first, next_one = make()(images), make()(images)
        torch.manual_seed(3)
        assert torch.equal(make()(images), first)
    assert not torch.equal(next_one, first)
    assert torch.equal(make(generator=generator(3))(images), first)


@pytest.mark.parametrize("make", VIEWS)
def test_each_call_draws_anew(make):
    views, images = make(generator=generator()), random_images()
    assert not torch.equal(views(images), views(images))


@pytest.mark.parametrize("make", VIEWS)
def test_views_are_parameters_that_can_be_cloned(make):
    views = make()
    assert copy.deepcopy(views) == views
    assert pickle.loads(pickle.dumps(views)) == views
    assert make() != make(generator=generator())


def test_photographs_stay_recognisable():
    # The mean colour is kept within what the operations may do to it.
    images = photographs() / 255
    for make in VIEWS:
        views = make(generator=generator())(images)
        assert (views.mean() - images.mean()).abs() < 0.15


def test_defaults_by_channels():
    drawn_from = generator()
    assert default_views(1, drawn_from) == GreyViews(generator=drawn_from)
    assert default_views(3) == ColorViews()
    assert default_strong_views(3, drawn_from) == StrongViews(generator=drawn_from)
    assert default_strong_views(1) == StrongViews(flip_probability=0)
    assert default_weak_views(3, drawn_from) == WeakViews(generator=drawn_from)
    assert default_weak_views(1) == WeakViews(flip_probability=0)


# -- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "parameter", "value"),
    [
        (GreyViews, "rotation", -1),
        (GreyViews, "scale", 0.9),
        (GreyViews, "noise", float("nan")),
        (ColorViews, "min_area", 0),
        (ColorViews, "min_area", 1.1),
        (ColorViews, "max_aspect", 0.75),
        (ColorViews, "jitter", -0.1),
        (ColorViews, "jitter_probability", 1.5),
        (ColorViews, "grey_probability", -0.5),
        (StrongViews, "flip_probability", 2),
        (WeakViews, "shift", 1),
        (WeakViews, "flip_probability", -0.1),
        (StrongViews, "n_operations", -1),
        (StrongViews, "max_cutout", -1),
    ],
)
def test_values_out_of_range(make, parameter, value):
    with pytest.raises(ValueError, match=parameter):
        make(**{parameter: value})


@pytest.mark.parametrize("make", VIEWS)
def test_generators_that_are_none(make):
    with pytest.raises(TypeError, match=r"generator must be a torch.Generator.*got 0"):
        make(generator=0)


@pytest.mark.parametrize("make", VIEWS)
def test_images_that_are_none(make):
    with pytest.raises(TypeError, match=r"images must be a tensor; got ndarray\."):
        make()(np.zeros((2, 3, 4, 4)))
    with pytest.raises(TypeError, match=r"images must be floats.*uint8"):
        make()(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"images must have the shape.*\(3, 4, 4\)"):
        make()(torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match=r"images must have the shape.*\(1, 2, 4, 4\)"):
        make()(torch.zeros(1, 2, 4, 4))


def test_color_views_take_colors():
    with pytest.raises(ValueError, match=r"\(b, 3, h, w\).*\(2, 1, 4, 4\)"):
        ColorViews()(torch.zeros(2, 1, 4, 4))
