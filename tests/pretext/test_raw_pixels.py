"""RawPixels: pixels at first, and the network once a clusterer has trained it."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from pretext_helpers import CPU, conv_net, global_state, make_images
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, load, save
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import as_image_source
from sklearn_scan.pretext import RawPixels
from sklearn_scan.pretext._networks import UnpaddedConvNet


def raw(backbone="auto", **parameters):
    return RawPixels(backbone, **{"random_state": 0} | CPU | parameters)


@pytest.fixture(scope="module")
def images():
    return make_images(10, 8)


@pytest.fixture(scope="module")
def fitted(images):
    return raw().fit(images)


def trained(encoder):
    """Return the encoder as a clusterer leaves it."""
    module, _ = encoder.for_training()
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.1)
    return encoder.with_trained(module)


# -- pixels ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_embedding_is_the_pixels(n_channels):
    images = make_images(6, 9, n_channels)
    encoder = raw().fit(images)
    embedding = encoder.transform(images)
    assert embedding.dtype == np.float32
    assert encoder.n_channels_ == n_channels
    assert_allclose(embedding, images.reshape(6, -1) / 255, atol=1e-6)
    assert len(encoder.get_feature_names_out()) == n_channels * 81
    assert not encoder.is_trained_


def test_coloured_images_are_grey_where_those_of_the_fit_were(images):
    encoder = raw().fit(make_images(4, 8, 1))
    expected = images.mean(axis=3).reshape(10, -1) / 255
    assert_allclose(encoder.transform(images), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "image_size", "expected"),
    [
        ((5, 7), "auto", 8),
        ((20, 28), "auto", 20),
        ((50, 40), "auto", 32),
        ((9, 9), 11, 11),
    ],
)
def test_image_size(shape, image_size, expected):
    images = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    encoder = raw(image_size=image_size).fit(images)
    assert encoder.transform(images).shape == (4, expected**2)
    assert encoder.encoder_.preprocessing_.input_size == expected
    assert trained(encoder).transform(images).shape == (4, 160)


def test_a_dark_batch_is_read_on_the_scale_of_fit():
    images = np.random.default_rng(0).uniform(0, 255, (20, 8, 8))
    images[0] /= 255
    encoder = raw()
    embedding = encoder.fit_transform(images)
    assert_array_equal(encoder.transform(images[:1]), embedding[:1])


def test_rows_of_a_source(fitted, images):
    features, unreadable = fitted.embed(as_image_source(images), slice(3, 7))
    assert_array_equal(features.array, fitted.transform(images)[3:7])
    assert unreadable == []


# -- the network -----------------------------------------------------------------------


def test_a_trained_network_embeds(fitted, images):
    encoder = trained(fitted)
    assert encoder.is_trained_
    assert encoder.transform(images).shape == (10, 160)
    assert len(encoder.get_feature_names_out()) == 160
    assert_array_equal(encoder.transform(images), encoder.encoder_.transform(images))
    assert isinstance(encoder.encoder_, ImageEncoder)
    # and the encoder that was trained is as before
    assert not fitted.is_trained_
    assert fitted.transform(images).shape == (10, 192)


def test_the_network_is_for_images_of_mean_zero_and_deviation_one(fitted, images):
    module, preprocessing = fitted.for_training()
    assert isinstance(module, UnpaddedConvNet)
    views = preprocessing.view()(torch.from_numpy(images).permute(0, 3, 1, 2))
    assert views.mean().item() == pytest.approx(0, abs=1e-3)
    assert views.std().item() == pytest.approx(1, abs=1e-2)


@pytest.mark.parametrize(
    ("backbone", "embed_dim"), [("test_resnet", 96), (conv_net, 24), ("jule", 160)]
)
def test_backbones(backbone, embed_dim, images):
    encoder = raw(backbone).fit(images)
    assert encoder.transform(images).shape == (10, 192)
    assert trained(encoder).transform(images).shape == (10, embed_dim)


def test_a_second_fit_begins_anew(images):
    encoder = trained(raw().fit(make_images(4, 11, 1)))
    assert_array_equal(
        encoder.fit(images).transform(images), raw().fit_transform(images)
    )


def test_weights_are_of_the_random_state(images):
    def weights(random_state):
        module, _ = raw(random_state=random_state).fit(images).for_training()
        return module.linear.weight

    before = global_state()
    first = weights(0)
    assert global_state() == before
    torch.rand(3)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


# -- a scikit-learn citizen, in files --------------------------------------------------


def test_clone_is_unfitted_and_fits_alike(fitted, images):
    copy = clone(trained(fitted))
    assert copy.get_params() == fitted.get_params()
    for method in (copy.transform, copy.embed, copy.get_feature_names_out):
        with pytest.raises(NotFittedError):
            method(images)
    with pytest.raises(NotFittedError):
        copy.for_training()
    assert_array_equal(copy.fit_transform(images), fitted.transform(images))


@pytest.mark.parametrize("make", [lambda each: each, trained], ids=["new", "trained"])
def test_it_is_saved_and_read_back(make, fitted, images, tmp_path):
    encoder = make(fitted)
    save(encoder, tmp_path / "model")
    for restored in (load(tmp_path / "model"), pickle.loads(pickle.dumps(encoder))):
        assert restored.is_trained_ == encoder.is_trained_
        assert_array_equal(restored.transform(images), encoder.transform(images))
        assert_array_equal(
            trained(restored).transform(images), trained(encoder).transform(images)
        )


def test_memory_holds_the_networks_embedding(images, tmp_path):
    encoder = raw(memory=tmp_path).fit(images)
    assert_array_equal(encoder.transform(images), raw().fit_transform(images))
    assert not any(tmp_path.iterdir())  # pixels are read as fast
    embedding = trained(encoder).transform(images)
    assert any(tmp_path.iterdir())
    assert_array_equal(trained(encoder).transform(images), embedding)


def test_unreadable_images(images, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    with_bad = [bad, *paths[:7], bad, *paths[7:]]
    with pytest.raises(ImageReadError, match="2 images"):
        raw().fit(with_bad)
    encoder = raw(bad_images="skip")
    with pytest.warns(UserWarning, match="2 of 12 images"):
        encoder.fit(with_bad)
    for each in (encoder, trained(encoder)):
        with pytest.warns(UserWarning, match="2 of 12 images"):
            features, unreadable = each.embed(as_image_source(with_bad))
        assert [failure.row for failure in unreadable] == [0, 8]
        gaps = np.isnan(features.array).all(axis=1)
        assert np.flatnonzero(gaps).tolist() == [0, 8]
        assert_array_equal(features.array[~gaps], each.transform(paths))


# -- other clusterers ------------------------------------------------------------------


def test_scan_takes_the_pixels_as_features(images):
    settings = {"n_neighbors": 2, "n_heads": 2, "max_epochs": 1, "random_state": 0}
    settings |= {"self_label_epochs": 0}
    clusterer = SCANClusterer(2, encoder=raw(), **settings).fit(images)
    pixels = images.reshape(10, -1) / 255
    assert_allclose(clusterer.embedding_, pixels, atol=1e-6)
    of_pixels = SCANClusterer(2, **settings).fit(clusterer.embedding_)
    assert_array_equal(clusterer.probabilities_, of_pixels.probabilities_)


def test_scan_does_not_train_a_network_that_embeds_nothing(images):
    clusterer = SCANClusterer(2, encoder=raw(), finetune=True)
    with pytest.raises(TypeError, match="which RawPixels does not offer"):
        clusterer.fit(images)


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"backbone": nn.Flatten()}, TypeError, "backbone must be .*; got Flatten"),
        ({"backbone": "resnet81"}, ValueError, "backbone"),
        ({"image_size": 0}, ValueError, "image_size must be .*; got 0"),
        ({"image_size": 4}, ValueError, "at least 5 pixels a side; got image_size=4"),
        ({"backbone": conv_net, "stem": "large"}, ValueError, "stem must be one of"),
        ({"precision": "fp16"}, ValueError, "gradients vanish in fp16"),
        ({"bad_images": "drop"}, ValueError, "bad_images must be one of"),
        ({"random_state": "x"}, ValueError, "random_state must be an integer from 0"),
        ({"backbone": lambda: nn.Conv2d(3, 4, 1)}, ValueError, "one vector an image"),
        ({"backbone": lambda: nn.Conv2d(3, 4, 9)}, ValueError, "larger image_size"),
    ],
)
def test_wrong_parameters(parameters, error, message, images):
    with pytest.raises(error, match=message):
        raw(**parameters).fit(images)


def test_one_image_is_not_enough():
    with pytest.raises(ValueError, match="1 image, while a minimum of 2"):
        raw().fit(make_images(1))
