"""The small networks that are made here: their blocks and their sizes."""

import pytest
import torch
from pretext_helpers import CPU, make_images
from torch import nn

from sklearn_scan import SimCLR
from sklearn_scan.pretext import PretextRecipe
from sklearn_scan.pretext._networks import UnpaddedConvNet


def blocks_of(module):
    return sum(isinstance(layer, nn.Conv2d) for layer in module.modules())


@pytest.mark.parametrize(
    ("image_size", "n_blocks"),
    [(5, 1), (6, 1), (8, 1), (16, 1), (28, 2), (32, 2), (55, 3), (64, 3), (128, 4)],
)
def test_blocks_of_jules_network(image_size, n_blocks):
    module = UnpaddedConvNet(image_size).eval()
    assert blocks_of(module) == n_blocks
    images = torch.rand(2, 3, image_size, image_size)
    with torch.no_grad():
        maps, features = module.layers(images), module(images)
    assert maps.shape[1] == 50
    assert n_blocks == 1 or maps.shape[2] >= 4
    assert features.shape == (2, module.embed_dim) == (2, 160)
    assert not torch.equal(features[0], features[1])


@pytest.mark.parametrize("image_size", range(6, 49))
def test_jules_network_takes_images_of_any_size(image_size):
    module = UnpaddedConvNet(image_size)
    features = module(torch.rand(2, 3, image_size, image_size))
    assert features.isfinite().all()


@pytest.mark.parametrize("image_size", [1, 4])
def test_images_smaller_than_a_convolution(image_size):
    with pytest.raises(ValueError, match=f"at least 5 pixels.*image_size={image_size}"):
        UnpaddedConvNet(image_size)


def test_jules_network_goes_with_every_pretext_by_name():
    encoder = SimCLR("jule", epochs=1, random_state=0, **CPU).fit(make_images(6, 8))
    assert isinstance(encoder.encoder_.module_, UnpaddedConvNet)
    assert encoder.transform(make_images(3, 8)).shape == (3, 160)


def test_its_recipe_makes_it_anew():
    module = PretextRecipe("jule", 28).build()
    assert isinstance(module, UnpaddedConvNet)
    assert blocks_of(module) == 2
