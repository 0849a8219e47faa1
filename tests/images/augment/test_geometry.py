"""Resampling, against Pillow's."""

import pytest
import torch
from augment_helpers import all_images, by_pillow, generator
from PIL import Image
from torchvision.transforms import functional as on_pillow

from sklearn_scan.images.augment import _geometry


def uniform(low, high, n_images):
    return low + (high - low) * torch.rand(n_images, generator=generator(3))


def transform(coefficients):
    """Return Pillow's affine transformation by coefficients of a magnitude."""

    def apply(picture, magnitude):
        data = coefficients(magnitude, *picture.size)
        return picture.transform(picture.size, Image.Transform.AFFINE, data)

    return apply


CASES = [
    ("rotation", 30, lambda picture, degrees: picture.rotate(degrees)),
    ("shear_x", 0.1, transform(lambda v, w, h: (1, v, 0, 0, 1, 0))),
    ("shear_y", 0.1, transform(lambda v, w, h: (1, 0, 0, v, 1, 0))),
    ("translation_x", 0.1, transform(lambda v, w, h: (1, 0, v * w, 0, 1, 0))),
    ("translation_y", 0.1, transform(lambda v, w, h: (1, 0, 0, 0, 1, v * h))),
]


@pytest.mark.parametrize("height", [32, 21])
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize(("name", "bound", "pillows"), CASES)
def test_as_in_pillow(name, bound, pillows, n_channels, height):
    images = all_images(n_channels)[:, :, :height]
    magnitudes = uniform(-bound, bound, len(images))
    size = images.shape[2:]
    maps = _geometry.normalize(getattr(_geometry, name)(magnitudes, size), size)
    ours = _geometry.resample(
        images / 255, maps, mode="nearest", padding_mode="zeros"
    ).mul(255)
    expected = by_pillow(images, pillows, magnitudes.tolist())
    # Pillow computes places to 1 / 65536 of a pixel: where two pixels are as near, it
    # may take the other one.
    agree = ((ours - expected).abs() < 0.01).float().mean()
    assert agree > 0.999


def test_rotation_by_a_quarter_is_counter_clockwise():
    images = torch.rand(2, 3, 8, 8, generator=generator())
    maps = _geometry.normalize(
        _geometry.rotation(torch.tensor([90.0, -90.0]), (8, 8)), (8, 8)
    )
    turned = _geometry.resample(images, maps, mode="nearest", padding_mode="zeros")
    assert torch.equal(turned[0], images[0].rot90(1, (1, 2)))
    assert torch.equal(turned[1], images[1].rot90(-1, (1, 2)))


@pytest.mark.parametrize("flip", [False, True])
def test_crops_as_in_pillow(flip):
    images = all_images()[:, :, :27]
    draws = torch.rand(4, len(images), generator=generator())
    width, height = (draws[0] * 31).floor() + 1, (draws[1] * 26).floor() + 1
    left, top = (draws[2] * (33 - width)).floor(), (draws[3] * (28 - height)).floor()
    boxes = torch.stack([left, top, width, height])
    flipped = torch.full((len(images),), flip)
    ours = _geometry.resize_crops(images / 255, boxes, flipped) * 255

    def crop(picture, x, y, w, h):
        cropped = on_pillow.resized_crop(picture, y, x, h, w, [27, 32])
        return on_pillow.hflip(cropped) if flip else cropped

    expected = by_pillow(images, crop, *boxes.int().tolist())
    # Pillow rounds to whole levels after each of the two axes.
    torch.testing.assert_close(ours, expected, rtol=0, atol=1.1)


def test_the_whole_image_is_reproduced():
    images = torch.rand(2, 3, 9, 12, generator=generator())
    boxes = torch.tensor([0.0, 0, 12, 9]).view(4, 1).expand(4, 2)
    views = _geometry.resize_crops(images, boxes, torch.tensor([False, True]))
    torch.testing.assert_close(views[0], images[0], rtol=0, atol=1e-5)
    torch.testing.assert_close(views[1], images[1].flip(2), rtol=0, atol=1e-5)
