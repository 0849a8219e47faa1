"""Trunks: features as they are, and images with their backbone."""

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_scan.clusterers.trunks import BackboneTrunk, FeatureTrunk
from sklearn_scan.encoders import Preprocessing
from sklearn_scan.training.heads import Standardize

CPU = torch.device("cpu")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


class Watch(nn.Module):
    """The mean colours, through a batch norm; keeps modes and formats."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
        self.norm.running_var.fill_(4.0)
        self.layer = nn.Linear(3, 2, bias=False)
        self.modes, self.shapes, self.dtypes = [], [], []

    def forward(self, images):
        self.modes.append(self.training)
        self.shapes.append(tuple(images.shape))
        features = self.layer(self.norm(images.mean((2, 3))))
        self.dtypes.append(features.dtype)
        return features


def random_images(n_channels, n=300, height=3, width=5):
    generator = torch.Generator().manual_seed(0)
    shape = (n, n_channels, height, width)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def make_trunk(images, augment=torch.clone, dtype=torch.float32, **views):
    torch.manual_seed(0)
    return BackboneTrunk(
        images,
        Watch(),
        Standardize(torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.25])),
        Preprocessing(5, MEAN, STD),
        augment=augment,
        device=CPU,
        dtype=dtype,
        **views,
    )


def test_features_are_their_own_trunk():
    features = torch.randn(7, 3)
    trunk = FeatureTrunk(features)
    assert trunk.features() is trunk.samples is features
    assert trunk.dims == (3,)
    assert not trunk.is_trained
    for view in (trunk.weak_view, trunk.moved_view, trunk.strong_view, trunk.body):
        assert view(features) is features
    with trunk.autocast():
        product = features @ features.T
    assert product.dtype == torch.float32


@pytest.mark.parametrize("n_channels", [1, 3])
def test_features_of_a_backbone_equal_a_hand_computation(n_channels):
    images = random_images(n_channels)
    trunk = make_trunk(images)
    trunk.body.train()
    backbone = trunk.body[0]
    pixels = images.numpy().astype(float).mean(axis=(2, 3)) / 255
    colors = (np.broadcast_to(pixels, (300, 3)) - MEAN) / STD
    normed = (colors - [1, 2, 3]) / np.sqrt(4 + 1e-5)
    expected = normed @ backbone.layer.weight.detach().numpy().T
    expected = (expected - [0.5, -1]) / [2, 0.25]
    features = trunk.features()
    torch.testing.assert_close(features, torch.tensor(expected).float())
    assert features.shape == (300, *trunk.dims)
    assert not features.requires_grad
    assert set(backbone.modes) == {False}
    # in batches that fit into memory, each image once
    assert sum(shape[0] for shape in backbone.shapes) == 300
    assert len(backbone.shapes) > 1
    assert trunk.is_trained


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_weak_view_is_plain_and_the_strong_one_augmented(n_channels):
    seen = []

    def negative(images):
        seen.append(images)
        return 1 - images

    images = random_images(n_channels, n=4)
    trunk = make_trunk(images, augment=negative)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    unit = images.float() / 255
    torch.testing.assert_close(trunk.weak_view(images), (unit - mean) / std)
    assert seen == []
    torch.testing.assert_close(trunk.strong_view(images), (1 - unit - mean) / std)
    torch.testing.assert_close(seen[0], unit)


def test_the_moved_view_is_a_weak_one():
    images = random_images(3, n=4, height=16, width=16)
    plain = make_trunk(images).moved_view(images)
    own = make_trunk(images, move=lambda images: 1 - images).moved_view(images)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    torch.testing.assert_close(own, (1 - images.float() / 255 - mean) / std)
    assert plain.shape == own.shape
    assert not torch.equal(plain, make_trunk(images).weak_view(images))


def test_features_are_those_of_the_weights_as_they_are():
    trunk = make_trunk(random_images(3))
    before = trunk.features()
    with torch.no_grad():
        trunk.body[0].layer.weight.neg_()
    shift = -trunk.body[1].mean / trunk.body[1].std
    torch.testing.assert_close(trunk.features() - shift, -(before - shift))


def test_the_scaler_does_not_learn():
    trunk = make_trunk(random_images(3))
    assert [name for name, _ in trunk.body.named_parameters()] == [
        "0.norm.weight",
        "0.norm.bias",
        "0.layer.weight",
    ]


def test_the_backbone_computes_in_the_format_asked_for():
    trunk = make_trunk(random_images(3), dtype=torch.bfloat16)
    exact = make_trunk(random_images(3)).features()
    features = trunk.features()
    assert features.dtype == torch.float32
    assert set(trunk.body[0].dtypes) == {torch.bfloat16}
    torch.testing.assert_close(features, exact, rtol=0.05, atol=0.05)


def test_augmentations_return_a_view_of_each_image():
    trunk = make_trunk(random_images(3), augment=lambda images: images[1:])
    with pytest.raises(ValueError, match=r"returned \(3, .* for \(4, "):
        trunk.strong_view(random_images(3, n=4))
