"""A clusterer as one network, from pixels to probabilities."""

import copy
import warnings

import numpy as np
import pytest
import torch
from result_helpers import IMAGES, X, fit, mobilenet_encoder
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_scan import (
    JULEClusterer,
    SCANClusterer,
    SimCLR,
    TEMIClusterer,
    load,
    relabel,
    save,
)
from sklearn_scan.encoders import Encoder, Preprocessing, Trainable
from sklearn_scan.results.relabeling import Edits


def pixels(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def prepare(images, preprocessing):
    """Return images as the model takes them."""
    return pixels(np.stack([preprocessing.crop(image) for image in images]))


@torch.no_grad()
def assert_equal(clusterer, data, *inputs):
    model = clusterer.to_torch()
    inputs = inputs or [prepare(data, each) for each in model.preprocessings]
    assert not model.training
    probabilities = model(*inputs)
    assert probabilities.dtype == torch.float32
    np.testing.assert_allclose(probabilities, clusterer.predict_proba(data), atol=5e-5)


@pytest.fixture(scope="module")
def scratch():
    return fit(IMAGES, encoder=SimCLR(epochs=1, image_size=32))


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    encoder = mobilenet_encoder(tmp_path_factory.mktemp("weights"), std=0.25)
    return fit(IMAGES, encoder=encoder)


@pytest.mark.parametrize("kind", [SCANClusterer, TEMIClusterer, JULEClusterer])
def test_features(kind):
    assert_equal(fit(X, kind), X, torch.from_numpy(X))


@pytest.mark.parametrize("kind", [SCANClusterer, TEMIClusterer, JULEClusterer])
def test_feature_arrays(kind):
    spaces = (X, X[:, :20], np.ones_like(X))  # of which one is left out
    clusterer = fit((X, X[:, :20]), kind)
    assert_equal(clusterer, (X, X[:, :20]), *map(torch.from_numpy, spaces[:2]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_equal(fit(spaces, kind), spaces, *map(torch.from_numpy, spaces))


@pytest.mark.parametrize("name", ["scratch", "mobilenet"])
def test_images(name, request):
    clusterer = request.getfixturevalue(name)
    assert_equal(clusterer, IMAGES, pixels(IMAGES))
    assert_equal(clusterer, IMAGES, pixels(IMAGES) / 255)


def test_a_backbone_that_was_trained_along():
    clusterer = fit(IMAGES, encoder=SimCLR("test_resnet", epochs=1), finetune=True)
    assert_equal(clusterer, IMAGES)


def test_several_encoders_take_a_batch_each():
    encoders = [SimCLR(epochs=1, image_size=32), SimCLR(epochs=1, image_size=8)]
    clusterer = fit(IMAGES, encoder=encoders)
    model = clusterer.to_torch()
    assert model.input_sizes == [32, 8]
    assert_equal(clusterer, IMAGES)
    with pytest.raises(ValueError, match=r"takes 2 batches of images.*got 1"):
        model(pixels(IMAGES))


def test_a_relabelled_model():
    clusterer = relabel(fit(X), Edits(merged={3: 1}, names={0: "cats"}))
    assert_equal(clusterer, X, torch.from_numpy(X))
    assert clusterer.to_torch().cluster_names == ["cats", "cluster 1", "cluster 2"]


def test_a_loaded_model(mobilenet, tmp_path):
    save(mobilenet, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert_equal(loaded, IMAGES)


def test_it_says_how_images_are_prepared(mobilenet):
    model = mobilenet.to_torch()
    assert model.input_sizes == [32]
    (preprocessing,) = model.preprocessings
    assert preprocessing.mean == (0.5, 0.5, 0.5)
    wide = np.random.default_rng(1).integers(0, 256, (1, 50, 90, 3), dtype=np.uint8)
    assert prepare(wide, preprocessing).shape == (1, 3, 32, 32)
    assert_equal(mobilenet, wide)


def test_its_weights_are_its_own(scratch):
    before = scratch.predict_proba(IMAGES)
    model = scratch.to_torch()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(scratch.predict_proba(IMAGES), before)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_it_can_be_traced_exported_and_pickled(scratch):
    model = scratch.to_torch()
    images = pixels(IMAGES) / 255
    expected = model(images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tracing itself is old
        traced = torch.jit.trace(model, (images[:3],))
    torch.testing.assert_close(traced(images), expected)
    exported = torch.export.export(model, (images,)).module()
    torch.testing.assert_close(exported(images), expected)
    assert torch.equal(copy.deepcopy(model)(images), expected)


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        (torch.zeros(2, 3, 8, 8), ValueError, r"\(b, 3, 32, 32\); got \(2, 3, 8, 8\)"),
        (torch.zeros(2, 32, 32, 3), ValueError, r"got \(2, 32, 32, 3\)"),
        (torch.zeros(3, 32, 32), ValueError, r"got \(3, 32, 32\)"),
        (torch.zeros(2, 3, 32, 32).long(), TypeError, r"floats or uint8; got.*int64"),
        (torch.full((2, 3, 32, 32), 255.0), ValueError, r"in \[0, 1\].*to 255"),
        (torch.full((2, 3, 32, 32), torch.nan), ValueError, r"in \[0, 1\]"),
        (IMAGES, TypeError, "must be a torch tensor; got ndarray"),
    ],
)
def test_what_it_refuses(batch, error, message, scratch):
    with pytest.raises(error, match=message):
        scratch.to_torch()(batch)


def test_features_of_another_width():
    with pytest.raises(ValueError, match=r"features must have shape \(b, 64\)"):
        fit(X).to_torch()(torch.zeros(2, 63))


class Mean(Encoder):
    """An encoder of the user's own, which may say what its network is."""

    def transform(self, X):
        shown = np.stack([np.asarray(image) for image in X]).astype(np.float32) / 255
        return shown.mean(axis=(1, 2))


class OpenMean(Mean):
    def networks(self):
        network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return [Trainable(network, Preprocessing(32))]


def test_encoders_of_the_user_s_own():
    assert_equal(fit(IMAGES, encoder=OpenMean()), IMAGES, pixels(IMAGES))
    with pytest.raises(TypeError, match="Mean does not say what its networks are"):
        fit(IMAGES, encoder=Mean()).to_torch()


def test_an_unfitted_clusterer():
    with pytest.raises(NotFittedError):
        SCANClusterer().to_torch()
