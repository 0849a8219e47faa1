"""Operations on pixels, against Pillow's and torchvision's."""

from inspect import isfunction

import pytest
import torch
from augment_helpers import all_images, by_pillow, generator
from PIL import ImageEnhance, ImageOps
from torchvision.transforms import functional as on_pillow
from torchvision.transforms.v2 import functional as on_tensors

from sklearn_scan.images.augment import _operations


def enhance(kind):
    return lambda picture, factor: kind(picture).enhance(factor)


def without_argument(operation):
    return lambda picture, _: operation(picture)


def magnitudes(low, high, n_images):
    """Return random magnitudes, among them the extremes."""
    numbers = low + (high - low) * torch.rand(n_images, generator=generator(1))
    numbers[0], numbers[-1] = low, high
    return numbers[torch.randperm(n_images, generator=generator(2))]


# name, Pillow's counterpart, range, tolerance in levels. Pillow rounds its results down
# to whole levels, and what it blends with to the nearest.
CASES = [
    ("identity", without_argument(lambda picture: picture), 0, 1, 0.001),
    ("autocontrast", without_argument(ImageOps.autocontrast), 0, 1, 1.001),
    ("equalize", without_argument(ImageOps.equalize), 0, 1, 0.001),
    ("solarize", ImageOps.solarize, 0, 256, 0.001),
    ("saturation", enhance(ImageEnhance.Color), 0.05, 0.95, 1.51),
    ("contrast", enhance(ImageEnhance.Contrast), 0.05, 0.95, 1.51),
    ("brightness", enhance(ImageEnhance.Brightness), 0.05, 0.95, 1.01),
    ("sharpness", enhance(ImageEnhance.Sharpness), 0.05, 0.95, 1.51),
    ("saturation", enhance(ImageEnhance.Color), 0, 2, 1.51),
    ("contrast", enhance(ImageEnhance.Contrast), 0, 2, 1.51),
    ("brightness", enhance(ImageEnhance.Brightness), 0, 2, 1.01),
    ("sharpness", enhance(ImageEnhance.Sharpness), 0, 2, 1.51),
    ("posterize", lambda picture, bits: ImageOps.posterize(picture, int(bits)), 4, 8,
     0.001),
    ("flip", without_argument(ImageOps.mirror), 0, 1, 0.001),
    ("grayscale", without_argument(
        lambda picture: picture.convert("L").convert(picture.mode)), 0, 1, 0.51),
]  # fmt: skip


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize(("name", "pillows", "low", "high", "tolerance"), CASES)
def test_as_in_pillow(name, pillows, low, high, tolerance, n_channels):
    images = all_images(n_channels)
    numbers = magnitudes(low, high, len(images))
    ours = getattr(_operations, name)(images / 255, numbers) * 255
    expected = by_pillow(images, pillows, numbers.tolist())
    torch.testing.assert_close(ours, expected, rtol=0, atol=tolerance)


def test_solarize_inverts_from_the_threshold_on():
    levels = torch.arange(256.0).view(1, 1, 16, 16).repeat(4, 1, 1, 1)
    thresholds = torch.tensor([0.0, 128.0, 128.3, 256.0])
    inverted = _operations.solarize(levels / 255, thresholds) * 255
    expected = torch.where(levels < thresholds.view(-1, 1, 1, 1), levels, 255 - levels)
    torch.testing.assert_close(inverted, expected, rtol=0, atol=0.001)


def test_hue_as_in_torchvision():
    images = all_images()
    turns = magnitudes(-0.5, 0.5, len(images))
    ours = _operations.hue(images / 255, turns)
    expected = [
        on_tensors.adjust_hue(image / 255, turn)
        for image, turn in zip(images, turns.tolist(), strict=True)
    ]
    torch.testing.assert_close(ours, torch.stack(expected), rtol=0, atol=1e-4)


def test_hue_is_near_that_of_pillow():
    # which knows 256 hues, and rounds both the hue and the turn down: two steps of the
    # hue are up to 12 levels of a colour
    images = all_images()
    turns = magnitudes(-0.5, 0.5, len(images))
    ours = _operations.hue(images / 255, turns) * 255
    error = ours - by_pillow(images, on_pillow.adjust_hue, turns.tolist())
    assert error.abs().mean() < 1
    assert error.abs().max() < 15


def test_hue_leaves_grey_alone():
    images = torch.rand(5, 1, 8, 8, generator=generator())
    turns = torch.full((5,), 0.3)
    assert torch.equal(_operations.hue(images.clone(), turns), images)
    grey = images.repeat(1, 3, 1, 1)
    torch.testing.assert_close(_operations.hue(grey.clone(), turns), grey)


@pytest.mark.parametrize("name", ["equalize", "posterize", "solarize"])
def test_levels_survive_the_way_through_floats(name):
    # Each of the 256 levels, divided by 255, has to be recognised as itself.
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    pillows = {
        "equalize": lambda picture, _: ImageOps.equalize(picture),
        "posterize": lambda picture, value: ImageOps.posterize(picture, value),
        "solarize": lambda picture, value: ImageOps.solarize(picture, value),
    }
    for value in (1, 4, 7, 8):
        numbers = torch.tensor([float(value)])
        ours = getattr(_operations, name)(images / 255, numbers) * 255
        expected = by_pillow(images, pillows[name], [value])
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, value in vars(_operations).items()
        if isfunction(value) and name[0] != "_"
    ],
)
@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 1, 2, 7), (3, 3, 17, 5)])
def test_any_shape_and_range(name, shape):
    images = torch.rand(shape, generator=generator())
    numbers = magnitudes(0.05, 0.45, len(images))
    results = getattr(_operations, name)(images, numbers)
    assert results.shape == shape
    assert results.min() >= 0
    assert results.max() <= 1
