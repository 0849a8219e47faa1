"""The networks that pretexts train: timm's by name, and what their stems become."""

import numpy as np
import pytest
import torch
from pretext_helpers import CPU, make_images
from torch import nn

from sklearn_scan import SimCLR
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RotNet,
    SimSiam,
    VICReg,
)

PRETEXTS = [SimCLR, MoCo, BYOL, SimSiam, VICReg, InstanceDiscrimination, RotNet]


def fit(backbone, image_size, stem="auto", pretext=SimCLR, n_images=4, **parameters):
    encoder = pretext(
        backbone,
        image_size=image_size,
        stem=stem,
        epochs=1,
        random_state=0,
        **CPU,
        **parameters,
    )
    return encoder.fit(make_images(n_images, image_size))


def first_convolution(module):
    return next(m for m in module.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    ("backbone", "image_size", "stem", "kernel", "stride", "pools"),
    [
        ("resnet10t", 32, "auto", 3, 1, False),
        ("resnet10t", 48, "auto", 3, 1, True),
        ("resnet10t", 96, "auto", 3, 2, True),
        ("resnet10t", 96, "small", 3, 1, True),
        ("resnet10t", 32, "standard", 3, 2, True),
        ("resnet18", 32, "auto", 3, 1, False),
        ("resnet18", 48, "standard", 7, 2, True),
    ],
)
def test_stems(backbone, image_size, stem, kernel, stride, pools):
    encoder = fit(backbone, image_size, stem, n_images=2)
    module = encoder.encoder_.module_
    convolution = first_convolution(module)
    assert convolution.kernel_size == (kernel, kernel)
    assert convolution.stride == (stride, stride)
    assert convolution.bias is None
    assert isinstance(module.maxpool, nn.MaxPool2d) == pools
    assert isinstance(module.maxpool, nn.Identity) != pools
    images = make_images(2, image_size)
    assert encoder.transform(images).shape == (2, 512)


def test_a_small_stem_keeps_the_resolution():
    module = fit("resnet10t", 32).encoder_.module_
    with torch.no_grad():
        maps = module.forward_features(torch.zeros(1, 3, 32, 32))
    assert maps.shape[2:] == (4, 4)  # 1 x 1 with the standard stem


@pytest.mark.parametrize(
    ("image_size", "stem", "patch"),
    [(32, "auto", 4), (20, "auto", 2), (6, "auto", 1), (32, "standard", 16)],
)
def test_patches_of_a_transformer(image_size, stem, patch):
    encoder = fit("vit_tiny_patch16_224", image_size, stem)
    module = encoder.encoder_.module_
    assert first_convolution(module).kernel_size == (patch, patch)
    images = make_images(3, image_size)
    assert np.isfinite(encoder.transform(images)).all()


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_names_go_with_every_pretext(pretext):
    encoder = fit("resnet10t", 16, pretext=pretext, n_images=6)
    embedding = encoder.transform(make_images(6, 16))
    assert len(np.unique(embedding, axis=0)) == 6


def test_images_are_embedded_as_they_were_trained_on():
    preprocessing = fit("resnet10t", 16).encoder_.preprocessing_
    # timm's own would keep 95 % of an image
    assert preprocessing.crop_pct == 1.0
    assert preprocessing.interpolation == "bicubic"


@pytest.mark.parametrize("backbone", ["mobilenetv2_035", "convnext_atto"])
def test_small_stems_of_other_families(backbone):
    encoder = fit(backbone, 32)
    convolution = first_convolution(encoder.encoder_.module_)
    assert convolution.stride == (1, 1)
    assert convolution.kernel_size == (3, 3)


@pytest.mark.parametrize("backbone", ["resnet10t", "resnet10t.c3_in1k"])
def test_weights_are_drawn_not_fetched(backbone, monkeypatch):
    def refuse(*arguments, **settings):
        raise AssertionError("no network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    first, again = (fit(backbone, 8).encoder_.module_ for _ in range(2))
    other = fit(backbone, 8, pretext=RotNet).encoder_.module_
    weights = [first_convolution(m).weight for m in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("backbone", "image_size", "stem"),
    [
        ("inception_v3", 32, "auto"),
        ("vit_tiny_patch16_224", 8, "standard"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 9), nn.Flatten()), 8, "auto"),
    ],
    ids=["inception", "vit", "own"],
)
def test_images_too_small_for_a_backbone(backbone, image_size, stem):
    message = rf"cannot take images of {image_size} x {image_size}.*larger image_size"
    with pytest.raises(ValueError, match=message):
        fit(backbone, image_size, stem)


def test_a_model_that_timm_cannot_make():
    message = r"cannot make backbone='visformer_tiny'.*choose another image_size"
    with pytest.raises(ValueError, match=message):
        fit("visformer_tiny", 32)


def test_a_backbone_without_weights():
    """Only the projection is trained."""
    encoder = fit(nn.Flatten, 8)
    assert encoder.transform(make_images(3, 8)).shape == (3, 3 * 8 * 8)


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_a_backbone_that_returns_maps(pretext):
    message = r"one vector an image.*returned \(2, 4, 8, 8\)"
    with pytest.raises(ValueError, match=message):
        fit(lambda: nn.Conv2d(3, 4, 1), 8, pretext=pretext)


@pytest.mark.parametrize("size", [8, 9, 12, 16, 32])
def test_the_automatic_network_suits_every_size(size):
    images = make_images(4, size)
    encoder = SimCLR(epochs=1, random_state=0, **CPU).fit(images)
    embedding = encoder.transform(images)
    assert len(np.unique(embedding, axis=0)) == 4
    with torch.no_grad():
        maps = encoder.encoder_.module_.layers(torch.zeros(1, 3, size, size))
    assert 3 <= maps.shape[-1] <= 4
