"""Views: what they draw, how often, and from what."""

import math

import pytest
import torch

from sklearn_scan.augment import ColorViews, GreyViews, _hue_matrix, _saturation_matrix

N_DRAWS = 3000
SAME_PLACE = {"rotation": 0, "scale": 1, "shear": 0, "translation": 0, "noise": 0}
SAME_CROP = {"min_area": 1, "max_aspect": 1, "flip_probability": 0}
SAME_COLORS = {"jitter_probability": 0, "grey_probability": 0}
VIEWS = [GreyViews, ColorViews]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(n_images=4, height=9, width=12):
    return torch.rand(n_images, 3, height, width, generator=generator(7))


def ramps(n_images=N_DRAWS, side=8):
    """Return images whose colours tell where a pixel is: x, y, and one half."""
    x = (torch.arange(side) + 0.5).expand(side, side) / side
    return torch.stack([x, x.T, torch.full_like(x, 0.5)]).repeat(n_images, 1, 1, 1)


def affine_maps(views):
    """Read off views of `ramps` the maps (n, 2, 3) from their places to the image's."""
    side = views.shape[-1]
    middle = slice(side // 2 - 1, side // 2 + 1)
    center = views[:, :2, middle, middle]  # (n, x or y, 2, 2)
    along_x = center.diff(dim=3).mean(dim=(2, 3)) * side
    along_y = center.diff(dim=2).mean(dim=(2, 3)) * side
    shift = 2 * center.mean(dim=(2, 3)) - 1  # in halves of the side
    return torch.stack([along_x, along_y, shift], dim=2)


def assert_uniform(values, bound):
    """Check that `values` are spread evenly over [-bound, bound]."""
    assert values.abs().max() <= bound * 1.001
    assert values.max() > 0.97 * bound
    assert values.min() < -0.97 * bound
    std = bound / math.sqrt(3)
    assert values.mean().item() == pytest.approx(0, abs=5 * std / N_DRAWS**0.5)
    assert values.std().item() == pytest.approx(std, rel=0.05)


def assert_share(happened, probability):
    error = math.sqrt(probability * (1 - probability) / N_DRAWS)
    share = happened.float().mean().item()
    assert share == pytest.approx(probability, abs=5 * error)


def grey_maps(**settings):
    """Return the maps that grey views draw with all but `settings` switched off."""
    return affine_maps(GreyViews(generator(), **(SAME_PLACE | settings))(ramps()))


def color_maps(**settings):
    return affine_maps(ColorViews(generator(), **SAME_COLORS, **settings)(ramps()))


# -- both ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "views",
    [
        GreyViews(generator(), **SAME_PLACE),
        ColorViews(generator(), **SAME_CROP, **SAME_COLORS),
    ],
)
def test_identity_settings_reproduce_the_image(views):
    images = random_images()
    torch.testing.assert_close(views(images), images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", VIEWS)
def test_equal_images_in_a_batch_get_different_views(make):
    image = random_images(1)
    first, second = make(generator())(image.repeat(2, 1, 1, 1))
    assert (first - second).abs().max() > 0.01


@pytest.mark.parametrize("make", VIEWS)
def test_views_are_images_and_leave_the_given_ones_alone(make):
    images = random_images(200).round()  # black and white, where little overshoots
    before = images.clone()
    views = make(generator())(images)
    assert views.shape == images.shape
    assert views.dtype == images.dtype
    assert views.min() >= 0
    assert views.max() <= 1
    assert torch.equal(images, before)


@pytest.mark.parametrize("make", VIEWS)
def test_one_seed_gives_the_same_views(make):
    images = random_images()
    before = torch.get_rng_state()
    first, again, other = (make(generator(seed))(images) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("make", VIEWS)
def test_each_call_draws_anew(make):
    views, images = make(generator()), random_images()
    assert not torch.equal(views(images), views(images))


# -- grey ------------------------------------------------------------------------------


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
    noise = GreyViews(generator(), **(SAME_PLACE | {"noise": 0.1}))(images) - 0.5
    assert noise.std().item() == pytest.approx(0.1, rel=0.03)
    assert noise.mean().item() == pytest.approx(0, abs=5 * 0.1 / 200)


def test_grey_views_never_flip():
    maps = affine_maps(GreyViews(generator(), noise=0)(ramps()))
    assert (torch.linalg.det(maps[:, :, :2]) > 0).all()
    assert (maps[:, 0, 0] > 0).all()


# -- colour: the crop ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("min_area", "max_aspect"), [(0.2, 4 / 3), (0.5, 1), (0.1, 2), (0.9, 4 / 3)]
)
def test_crops_keep_to_the_frame_the_area_and_the_aspect(min_area, max_aspect):
    maps = color_maps(min_area=min_area, max_aspect=max_aspect)
    width, height = maps[:, 0, 0].abs(), maps[:, 1, 1]
    area, aspect = width * height, width / height
    tolerance = 1e-4
    assert area.min() >= min(min_area, 1 / max_aspect) - tolerance
    assert area.max() > 0.9
    assert aspect.max() <= max_aspect + tolerance
    assert aspect.min() >= 1 / max_aspect - tolerance
    outermost = maps[:, :, 2].abs() + torch.stack([width, height], dim=1)
    assert outermost.max() <= 1 + tolerance
    assert maps[:, 0, 1].abs().max() < tolerance
    assert maps[:, 1, 0].abs().max() < tolerance


def test_crops_of_one_aspect_draw_the_area_uniformly():
    maps = color_maps(min_area=0.2, max_aspect=1)
    assert_uniform(maps[:, 0, 0].abs() * maps[:, 1, 1] - 0.6, 0.4)


@pytest.mark.parametrize("probability", [0, 0.3, 0.5, 1])
def test_flip_probability(probability):
    assert_share(color_maps(flip_probability=probability)[:, 0, 0] < 0, probability)


# -- colour: the colours ---------------------------------------------------------------


def recolor(color, **settings):
    """Return what becomes of images of one colour, (n, 3)."""
    images = torch.as_tensor(color).view(1, 3, 1, 1).repeat(N_DRAWS, 1, 2, 2)
    return ColorViews(generator(), **SAME_CROP, **settings)(images)[:, :, 0, 0]


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
    """Return the distance and the angle of colours from the grey axis."""
    red, green, blue = colors.T
    x, y = 2 * red - green - blue, math.sqrt(3) * (green - blue)
    return torch.hypot(x, y), torch.atan2(y, x)


def test_brightness_contrast_and_saturation():
    # Hue and saturation leave a grey image as it is; it tells of the other two.
    stripes = torch.tensor([0.45, 0.55]).expand(N_DRAWS, 3, 2, 2)
    views = ColorViews(generator(), **SAME_CROP, jitter=0.4, jitter_probability=1)
    dark, light = views(stripes)[:, 0, 0].T
    brightness = (light + dark) / 2 / 0.5
    contrast = (light - dark) / 0.1 / brightness
    assert_uniform(brightness - 1, 0.4)
    assert_uniform(contrast - 1, 0.4)
    # The same draws on a reddish image: all three change its distance from grey.
    color = torch.tensor([[0.5, 0.45, 0.45]])
    colors = recolor(color, jitter=0.4, jitter_probability=1, grey_probability=0)
    distance = chroma(colors)[0] / chroma(color)[0]
    assert_uniform(distance / brightness / contrast - 1, 0.4)


def test_hue_turns_by_a_quarter_of_the_jitter():
    # the other changes move a colour along or towards the grey axis, not around it
    color = torch.tensor([[0.5, 0.4, 0.4]])
    colors = recolor(color, jitter=0.4, jitter_probability=1, grey_probability=0)
    assert_uniform(chroma(colors)[1] / (2 * math.pi), 0.1)


def test_hue_matrix():
    angles = torch.tensor([0, 0.3, -2, 2 * math.pi / 3])
    matrices = _hue_matrix(angles)
    grey = torch.full((4, 3), 0.4)
    torch.testing.assert_close((matrices @ grey[..., None])[..., 0], grey)
    torch.testing.assert_close(matrices @ matrices.mT, torch.eye(3).expand(4, 3, 3))
    torch.testing.assert_close(matrices[0], torch.eye(3))
    # a third of the circle takes red to green, green to blue and blue to red
    torch.testing.assert_close(matrices[3], torch.eye(3).roll(1, dims=0))


def test_saturation_matrix():
    matrices = _saturation_matrix(torch.tensor([0.0, 1.0, 1.4]))
    luma = torch.tensor([0.299, 0.587, 0.114])
    torch.testing.assert_close(matrices[0], luma.expand(3, 3))
    torch.testing.assert_close(matrices[1], torch.eye(3))
    # brightness, as the eye sees it, stays
    torch.testing.assert_close(luma @ matrices, luma.expand(3, 3))
