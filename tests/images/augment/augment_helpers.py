"""Images to look at, and Pillow's way of doing things to them."""

import functools
import math

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from sklearn.datasets import load_sample_images

N_DRAWS = 3000


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@functools.cache
def photographs(side=32):
    """Return crops of scikit-learn's two photographs, uint8 (16, 3, side, side)."""
    crops = [
        photo[y : y + 3 * side : 3, x : x + 3 * side : 3]
        for photo in load_sample_images().images
        for y in (0, 200)
        for x in (0, 150, 300, 450)
    ]
    return torch.from_numpy(np.stack(crops)).movedim(-1, 1)


@functools.cache
def odd_images(side=32):
    """Return noise, few levels, and single colours: uint8 (8, 3, side, side)."""
    noise = torch.randint(256, (3, 3, side, side), generator=generator())
    two_levels = noise[:1] // 128 * 100 + 50
    # one pixel of another level, where the histogram's steps are zero
    speck = torch.full((1, 3, side, side), 90)
    speck[:, :, 3, 5] = 91
    constant = torch.tensor([[0, 0, 0], [255, 255, 255], [180, 60, 61]])
    constant = constant.view(3, 3, 1, 1).expand(-1, -1, side, side)
    return torch.cat([noise, two_levels, speck, constant]).to(torch.uint8)


def all_images(n_channels=3):
    """Return photographs and odd images, uint8 (24, n_channels, 32, 32)."""
    return torch.cat([photographs(), odd_images()])[:, :n_channels]


def to_pillow(image):
    """Return uint8 (c, h, w) as a Pillow image."""
    array = image.numpy()
    return Image.fromarray(array[0] if len(array) == 1 else np.moveaxis(array, 0, -1))


def from_pillow(picture):
    """Return a Pillow image as float levels (c, h, w), from 0 to 255."""
    array = np.asarray(picture, dtype=np.float32)
    array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return torch.from_numpy(array.copy())


def by_pillow(images, operation, *arguments):
    """Apply `operation` to uint8 images, one at a time; return levels (b, c, h, w)."""
    return torch.stack(
        [
            from_pillow(operation(to_pillow(image), *values))
            for image, *values in zip(images, *arguments, strict=True)
        ]
    )


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


def assert_even(counts):
    """Check that `counts` are those of a draw in which each case is as likely."""
    assert stats.chisquare(np.asarray(counts).ravel()).pvalue > 0.001


def assert_fills_range(values, low, high):
    """Check that `values` are drawn uniformly from [low, high)."""
    assert low - 1e-3 <= values.min()
    assert values.max() <= high + 1e-3
    cdf = stats.uniform(low, high - low).cdf
    assert stats.kstest(values.numpy(), cdf).pvalue > 0.001


def assert_same_distribution(values, others):
    assert stats.ks_2samp(values.numpy(), others.numpy()).pvalue > 0.001
