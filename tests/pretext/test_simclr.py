"""SimCLR: its views, its defaults, and that it learns."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from pretext_helpers import CPU, Watch, make_images, mean_net, unchanged
from torch import nn

from sklearn_scan import SimCLR
from sklearn_scan.datasets import load_digits_images, make_shapes
from sklearn_scan.metrics import neighbor_purity
from sklearn_scan.neighbors import mine_neighbors


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(40, 3, image_size=16, random_state=0).images


@pytest.mark.slow
def test_neighbors_are_purer_than_those_of_an_untrained_network():
    data = load_digits_images()
    images, target = data.images[:600], data.target[:600]

    def purity(**parameters):
        pretext = SimCLR(batch_size=64, random_state=0, **CPU, **parameters)
        embedding = pretext.fit_transform(images)
        neighbors = mine_neighbors(embedding - embedding.mean(axis=0), 10)
        return neighbor_purity(neighbors.indices, target)

    untrained = purity(epochs=1, learning_rate=1e-9)
    assert purity(epochs=8) > untrained + 0.05


# -- parameters ----------------------------------------------------------------------


def test_own_backbone(shapes):
    pretext = SimCLR(mean_net, epochs=1, random_state=0, **CPU)
    assert pretext.fit_transform(shapes).shape == (40, 4)
    assert isinstance(pretext.encoder_.module_[-1], nn.Linear)


@pytest.mark.parametrize(
    ("n_images", "epochs", "expected"),
    [
        (100, "auto", 200),
        (600, "auto", 120),
        (4000, "auto", 20),
        (100, np.int64(2), 2),
    ],
)
def test_epochs(n_images, epochs, expected):
    images = make_images(n_images, n_channels=1)
    pretext = SimCLR(mean_net, views=unchanged, epochs=epochs, batch_size=200)
    assert len(pretext.fit(images).history_) == expected


@pytest.mark.parametrize("grey", [True, False])
def test_own_views_get_images_in_the_unit_interval(shapes, grey):
    seen = []

    def watch(images):
        seen.append(images.clone())
        return images

    images = shapes[..., :1] if grey else shapes
    SimCLR(mean_net, views=watch, epochs=1).fit(images)
    views = torch.cat(seen)
    assert views.shape[1:] == (1 if grey else 3, 16, 16)
    assert views.is_floating_point()
    assert views.min() >= 0
    assert 0.5 < views.max() <= 1


@pytest.mark.parametrize("grey", [True, False])
def test_automatic_views_suit_grey_and_coloured_images(grey):
    """Of images without texture, grey ones get noise and coloured ones new colours."""
    rng, seen = np.random.default_rng(0), []
    plain = rng.integers(60, 190, (50, 1, 1, 1 if grey else 3), dtype=np.uint8)
    SimCLR(lambda: Watch(seen), epochs=1, random_state=0, **CPU).fit(
        np.broadcast_to(plain, (50, 12, 12, plain.shape[-1]))
    )
    views = torch.cat(seen)
    assert views.shape == (100, 3, 12, 12)
    texture = views.std(dim=(2, 3)).mean()
    hues = views.mean(dim=(2, 3)).std(dim=1).mean()
    assert (texture > 0.1, hues > 0.1) == (grey, not grey)


def test_pixels_are_standardized_by_their_own_mean_and_deviation(shapes):
    pretext = SimCLR(mean_net, epochs=1).fit(shapes)
    preprocessing = pretext.encoder_.preprocessing_
    pixels = shapes.reshape(-1, 3) / 255
    assert_allclose(preprocessing.mean, pixels.mean(axis=0), atol=1e-6)
    assert_allclose(preprocessing.std, pixels.std(axis=0), atol=1e-6)


def test_both_of_a_pair_are_views(shapes):
    seen = []
    SimCLR(lambda: Watch(seen), views=torch.zeros_like, epochs=1).fit(shapes)
    views = torch.cat(seen)
    assert len(views) == 2 * len(shapes)
    assert (views == views[0]).all()


def test_the_two_views_of_an_image_differ(shapes):
    seen = []
    SimCLR(lambda: Watch(seen), epochs=1, random_state=0, **CPU).fit(shapes)
    first, second = seen[0].chunk(2)
    assert ((first - second).abs().amax(dim=(1, 2, 3)) > 0.1).all()
