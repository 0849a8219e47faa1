"""SimCLR: an encoder learnt from the images themselves."""

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_scan import ImageEncoder, SimCLR
from sklearn_scan.datasets import load_digits_images, make_shapes
from sklearn_scan.exceptions import DivergenceError, ImageReadError
from sklearn_scan.metrics import neighbor_purity
from sklearn_scan.neighbors import mine_neighbors

CPU = {"device": "cpu", "precision": "fp32"}


def mean_net():
    """Return the cheapest network that can be trained."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))


def unchanged(images):
    return images


def global_state():
    """Return the state of every global source of randomness."""
    numpy_state = np.random.get_state()[1]  # noqa: NPY002
    return torch.get_rng_state().tolist(), numpy_state.tolist(), random.getstate()


@pytest.fixture(scope="module")
def digits():
    return load_digits_images().images[:100]


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(40, 3, image_size=16, random_state=0).images


@pytest.fixture(scope="module")
def fitted(digits):
    return SimCLR(epochs=2, random_state=0, **CPU).fit(digits)


# -- what is learnt ------------------------------------------------------------------


def test_embedding_and_history(digits, fitted):
    embedding = fitted.transform(digits)
    assert embedding.dtype == np.float32
    assert embedding.ndim == 2
    assert len(embedding) == len(digits)
    assert np.isfinite(embedding).all()
    assert [row["epoch"] for row in fitted.history_] == [1, 2]
    assert {row["stage"] for row in fitted.history_} == {"SimCLR"}
    assert all(np.isfinite(row["loss"]) for row in fitted.history_)


def test_new_images_are_embedded_as_those_of_the_fit(digits, fitted):
    new = load_digits_images().images[100:103]
    embedding = fitted.transform(new)
    assert embedding.shape == (3, fitted.transform(digits).shape[1])
    together = fitted.transform(np.concatenate([digits, new]))
    assert_allclose(embedding, together[-3:], atol=1e-5)


def test_the_encoder_stands_alone(digits, fitted):
    assert isinstance(fitted.encoder_, ImageEncoder)
    assert_array_equal(fitted.encoder_.transform(digits), fitted.transform(digits))


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


def test_a_diverging_loss_is_named(digits):
    with pytest.raises(DivergenceError, match="SimCLR stage: lower learning_rate"):
        SimCLR(epochs=3, learning_rate=1e30, random_state=0).fit(digits)


# -- randomness ----------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["auto", mean_net])
def test_random_state(digits, backbone):
    def embed(random_state):
        pretext = SimCLR(backbone, epochs=2, random_state=random_state, device="cpu")
        return pretext.fit_transform(digits)

    first = embed(0)
    torch.rand(3)
    assert_array_equal(embed(0), first)
    assert (embed(1) != first).any()
    assert_array_equal(embed(np.random.RandomState(3)), embed(np.random.RandomState(3)))


def test_global_random_state_is_neither_read_nor_changed(digits):
    def noisy(images):
        return images + 0.1 * torch.randn_like(images)

    def embed():
        pretext = SimCLR(mean_net, views=noisy, epochs=1, random_state=0, **CPU)
        return pretext.fit_transform(digits)

    before = global_state()
    first = embed()
    assert global_state() == before
    torch.rand(3)
    assert_array_equal(embed(), first)


# -- parameters ----------------------------------------------------------------------


def test_own_backbone(shapes):
    pretext = SimCLR(mean_net, epochs=1, random_state=0, **CPU)
    assert pretext.fit_transform(shapes).shape == (40, 4)
    assert isinstance(pretext.encoder_.module_[-1], nn.Linear)


@pytest.mark.parametrize(
    ("shape", "image_size", "expected"),
    [
        ((5, 7), "auto", 8),
        ((20, 28), "auto", 20),
        ((50, 40), "auto", 32),
        ((20, 28), 11, 11),
        ((20, 28), np.int64(48), 48),
    ],
)
def test_image_size(shape, image_size, expected):
    seen = []

    def watch(images):
        seen.append(images)
        return images

    images = np.random.default_rng(0).integers(0, 256, (6, *shape, 3), dtype=np.uint8)
    pretext = SimCLR(mean_net, image_size=image_size, views=watch, epochs=1)
    pretext.fit(images)
    assert {tuple(views.shape[2:]) for views in seen} == {(expected, expected)}
    assert pretext.encoder_.preprocessing_.input_size == expected


@pytest.mark.parametrize("size", [8, 9, 12, 16, 32])
def test_the_automatic_network_suits_every_size(size):
    images = np.random.default_rng(0).integers(0, 256, (4, size, size), dtype=np.uint8)
    embedding = SimCLR(epochs=1, random_state=0, **CPU).fit_transform(images)
    assert embedding.shape[0] == 4
    assert len(np.unique(embedding, axis=0)) == 4


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
    images = np.zeros((n_images, 8, 8), dtype=np.uint8)
    pretext = SimCLR(mean_net, views=unchanged, epochs=epochs, batch_size=200)
    assert len(pretext.fit(images).history_) == expected


@pytest.mark.parametrize("n_steps", [1, 2, 9, 10, 11, 20])
def test_any_number_of_steps(digits, n_steps):
    pretext = SimCLR(mean_net, epochs=n_steps, batch_size=100).fit(digits)
    assert len(pretext.history_) == n_steps


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


class Watch(nn.Module):
    """A network that keeps what it is given in training."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        if self.training:
            self.seen.append(x.detach().clone())
        return self.layer(x.mean((2, 3)))


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


def test_memory_holds_the_embedding(digits, fitted, tmp_path):
    kept = clone(fitted).set_params(memory=tmp_path).fit(digits)
    for _ in range(2):
        assert_array_equal(kept.transform(digits), fitted.transform(digits))
    assert any(tmp_path.iterdir())


# -- a scikit-learn citizen ----------------------------------------------------------


def test_clone_and_parameters(digits, fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(digits)
    assert_array_equal(copy.fit_transform(digits), fitted.transform(digits))


def test_pickle(digits, fitted):
    copy = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(copy.transform(digits), fitted.transform(digits))
    assert copy.history_ == fitted.history_


def test_files(shapes, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(len(shapes))]
    for path, image in zip(paths, shapes, strict=True):
        Image.fromarray(image).save(path)
    pretext = SimCLR(epochs=1, random_state=0, **CPU)
    expected = pretext.fit_transform(shapes)
    assert_array_equal(pretext.fit_transform(paths), expected)


def test_verbose(digits, capsys):
    SimCLR(mean_net, epochs=1).fit(digits)
    assert capsys.readouterr().err == ""
    SimCLR(mean_net, epochs=1, verbose=1).fit(digits)
    assert "SimCLR" in capsys.readouterr().err


# -- bad input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"backbone": "resnet18"}, TypeError, "backbone must be 'auto'.*'resnet18'"),
        ({"backbone": mean_net()}, TypeError, "backbone must be 'auto' or a function"),
        ({"backbone": lambda: "net"}, TypeError, "must return an nn.Module.* str"),
        ({"backbone": lambda: nn.Conv2d(3, 4, 3)}, ValueError, "one vector an image"),
        ({"image_size": 0}, ValueError, "image_size == 0"),
        ({"image_size": "big"}, ValueError, "image_size must be 'auto' or a number"),
        ({"views": "strong"}, TypeError, "views must be 'auto' or a function.*strong"),
        ({"epochs": 0}, ValueError, "epochs == 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be an instance of int"),
        ({"batch_size": 1}, ValueError, "batch_size == 1"),
        ({"learning_rate": 0}, ValueError, "learning_rate == 0"),
        ({"weight_decay": -1}, ValueError, "weight_decay == -1"),
        ({"temperature": 0}, ValueError, "temperature == 0"),
        ({"temperature": np.inf}, ValueError, "temperature must be finite"),
        ({"projection_dim": 0}, ValueError, "projection_dim == 0"),
        ({"device": "gpu"}, ValueError, "device must be 'auto' or a torch device"),
        ({"precision": "fp8"}, ValueError, "precision must be one of"),
        ({"memory": 3}, TypeError, "memory must be a path.* got int"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
        ({"random_state": "x"}, ValueError, "cannot be used to seed"),
    ],
)
def test_wrong_parameters(parameters, error, message, digits):
    with pytest.raises(error, match=message):
        SimCLR(**{"epochs": 1} | parameters).fit(digits)


def test_parameters_are_checked_before_files_are_read():
    with pytest.raises(ValueError, match="epochs == 0"):
        SimCLR(epochs=0).fit(["no-such-file.png"])


@pytest.mark.parametrize("image_size", ["auto", 8])
def test_damaged_files_are_all_listed(shapes, tmp_path, image_size):
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, image in zip(paths, shapes[:6], strict=True):
        Image.fromarray(image).save(path)
    damaged = [str(paths[i]) for i in (0, 2, 5)]
    for path in damaged:  # the header stays
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageReadError, match="3 images") as caught:
        SimCLR(epochs=1, image_size=image_size).fit(paths)
    assert [path for _, path, _ in caught.value.failures] == damaged


def test_missing_files_are_all_listed(tmp_path):
    missing = [str(tmp_path / f"{i}.png") for i in range(3)]
    with pytest.raises(ImageReadError) as caught:
        SimCLR(epochs=1).fit(missing)
    assert [path for _, path, _ in caught.value.failures] == missing


def test_one_image_is_not_enough():
    with pytest.raises(ValueError, match="1 image, while a minimum of 2"):
        SimCLR(epochs=1).fit(np.zeros((1, 8, 8), dtype=np.uint8))


def test_a_dark_batch_is_read_on_the_scale_of_fit():
    images = np.random.default_rng(0).uniform(0, 255, (20, 8, 8))
    images[0] /= 255
    encoder = SimCLR(epochs=1, random_state=0, batch_size=20)
    embedding = encoder.fit_transform(images)
    assert_allclose(encoder.transform(images[:1]), embedding[:1], atol=1e-5)
