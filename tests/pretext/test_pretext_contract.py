"""What all pretexts have in common."""

import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from pretext_helpers import (
    CPU,
    Watch,
    conv_net,
    global_state,
    make_images,
    mean_net,
)
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics.pairwise import paired_cosine_distances
from torch import nn

from sklearn_scan import ImageEncoder
from sklearn_scan.datasets import load_digits_images, make_shapes
from sklearn_scan.exceptions import DivergenceError, ImageReadError
from sklearn_scan.images import as_image_source
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RotNet,
    SimCLR,
    SimSiam,
    VICReg,
)
from sklearn_scan.training.muon import Muon

VIEW_PRETEXTS = [SimCLR, MoCo, BYOL, SimSiam, VICReg, InstanceDiscrimination]
PRETEXTS = [*VIEW_PRETEXTS, RotNet]
OPTIMIZERS = ["muon", "adamw", "sgd"]

for_all = pytest.mark.parametrize("pretext", PRETEXTS)
for_views = pytest.mark.parametrize("pretext", VIEW_PRETEXTS)


def fast(pretext, backbone=conv_net, **parameters):
    """Return an unfitted pretext that trains in a blink."""
    settings = {"epochs": 2, "batch_size": 16, "random_state": 0} | CPU
    return pretext(backbone, **settings | parameters)


@pytest.fixture(scope="module")
def shapes():
    return make_shapes(40, 3, image_size=12, random_state=0).images


@pytest.fixture(scope="module")
def digits():
    return load_digits_images().images[:100]


@pytest.fixture(scope="module")
def fitted(shapes):
    """Return each pretext, fitted."""
    return {pretext: fast(pretext).fit(shapes) for pretext in PRETEXTS}


# -- what is learnt ------------------------------------------------------------------


@for_all
def test_fit_returns_self_and_the_embedding_has_a_row_for_each_image(pretext, shapes):
    encoder = fast(pretext)
    assert encoder.fit(shapes) is encoder
    embedding = encoder.transform(shapes)
    assert embedding.dtype == np.float32
    assert embedding.shape == (40, 24)
    assert np.isfinite(embedding).all()
    assert len(np.unique(embedding, axis=0)) == 40


@for_all
def test_history(pretext, fitted):
    history = fitted[pretext].history_
    assert [record["epoch"] for record in history] == [1, 2]
    assert {record["stage"] for record in history} == {pretext.__name__}
    for record in history:
        terms = {k: v for k, v in record.items() if k not in ("stage", "epoch", "loss")}
        assert terms
        assert record["loss"] == pytest.approx(sum(terms.values()))
        assert np.isfinite(record["loss"])


@pytest.mark.parametrize(
    ("pretext", "optimizer", "learning_rate"),
    [(pretext, "muon", 1e-2) for pretext in PRETEXTS]
    + [(pretext, "adamw", 3e-3) for pretext in PRETEXTS]
    + [(pretext, "sgd", 0.03) for pretext in (SimCLR, MoCo, BYOL, RotNet)],
)
def test_training_lowers_the_loss(pretext, optimizer, learning_rate, shapes):
    def final_loss(rate):
        encoder = fast(pretext, epochs=20, optimizer=optimizer, learning_rate=rate)
        losses = [record["loss"] for record in encoder.fit(shapes).history_]
        return np.mean(losses[-3:])

    # the past that MoCo and instance discrimination compare with changes in any case
    assert final_loss(learning_rate) < 0.98 * final_loss(1e-9)


@for_all
def test_the_embedding_is_the_backbones(pretext, fitted, shapes):
    """In evaluation mode, of images with mean zero and deviation one."""
    encoder = fitted[pretext].encoder_
    pixels = shapes / 255
    pixels = (pixels - pixels.mean(axis=(0, 1, 2))) / pixels.std(axis=(0, 1, 2))
    views = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = encoder.module_.eval()(views).numpy()
    assert_allclose(fitted[pretext].transform(shapes), expected, atol=1e-4)
    for parameter in encoder.module_.parameters():
        assert parameter.device.type == "cpu"


@for_all
def test_training_moves_the_backbone(pretext, shapes):
    still = fast(pretext, epochs=1, learning_rate=1e-12).fit(shapes)
    moved = fast(pretext, epochs=1).fit(shapes)
    weights = [encoder.encoder_.module_[0].weight for encoder in (still, moved)]
    assert (weights[0] - weights[1]).abs().max() > 1e-4


@for_all
def test_new_images_are_embedded_as_those_of_the_fit(pretext, fitted, shapes):
    new = make_images(3, 12)
    embedding = fitted[pretext].transform(new)
    together = fitted[pretext].transform(np.concatenate([shapes, new]))
    assert_allclose(embedding, together[-3:], atol=1e-5)


@for_all
def test_the_encoder_stands_alone(pretext, fitted, shapes):
    encoder = fitted[pretext].encoder_
    assert isinstance(encoder, ImageEncoder)
    assert_array_equal(encoder.transform(shapes), fitted[pretext].transform(shapes))


@for_all
def test_the_backbone_can_be_trained_further(pretext, shapes):
    encoder = fast(pretext).fit(shapes)
    before = encoder.transform(shapes)
    module, preprocessing = encoder.for_training()
    assert preprocessing == encoder.encoder_.preprocessing_
    with torch.no_grad():
        module[0].weight.mul_(2)
    assert_array_equal(encoder.transform(shapes), before)
    assert (encoder.with_trained(module).transform(shapes) != before).any()
    with pytest.raises(NotFittedError):
        fast(pretext).for_training()


# -- images of every kind --------------------------------------------------------------


@for_all
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("backbone", ["auto", conv_net])
def test_grey_and_coloured_images(pretext, backbone, n_channels):
    images = make_images(6, 9, n_channels)
    encoder = fast(pretext, backbone, epochs=1).fit(images)
    assert len(np.unique(encoder.transform(images), axis=0)) == 6
    preprocessing = encoder.encoder_.preprocessing_
    assert (len(set(preprocessing.mean)) == 1) == (n_channels == 1)


@for_all
@pytest.mark.parametrize("n_images", [2, 3, 7])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_fewer_images_than_a_batch(pretext, n_images, optimizer):
    images = make_images(n_images)
    encoder = fast(pretext, batch_size=256, optimizer=optimizer).fit(images)
    assert encoder.transform(images).shape == (n_images, 24)
    assert np.isfinite([record["loss"] for record in encoder.history_]).all()


@for_all
def test_two_images_suffice_for_the_automatic_network(pretext):
    images = make_images(2)
    encoder = pretext(epochs=2, random_state=0, **CPU).fit(images)
    assert np.isfinite(encoder.transform(images)).all()


@for_all
def test_one_image_is_not_enough(pretext):
    with pytest.raises(ValueError, match="1 image, while a minimum of 2"):
        fast(pretext).fit(make_images(1))


@for_all
def test_files(pretext, fitted, shapes, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(len(shapes))]
    for path, image in zip(paths, shapes, strict=True):
        Image.fromarray(image).save(path)
    assert_array_equal(
        fast(pretext).fit_transform(paths), fitted[pretext].transform(shapes)
    )


@for_all
def test_a_dark_batch_is_read_on_the_scale_of_fit(pretext):
    images = np.random.default_rng(0).uniform(0, 255, (20, 8, 8))
    images[0] /= 255
    encoder = fast(pretext)
    embedding = encoder.fit_transform(images)
    assert_allclose(encoder.transform(images[:1]), embedding[:1], atol=1e-5)


@for_all
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
def test_image_size(pretext, shape, image_size, expected):
    seen = []
    images = np.random.default_rng(0).integers(0, 256, (6, *shape, 3), dtype=np.uint8)
    encoder = fast(pretext, lambda: Watch(seen), image_size=image_size, epochs=1)
    encoder.fit(images)
    assert {tuple(views.shape[2:]) for views in seen} == {(expected, expected)}
    assert encoder.encoder_.preprocessing_.input_size == expected


# -- randomness ----------------------------------------------------------------------


@for_all
@pytest.mark.parametrize("backbone", ["auto", conv_net])
def test_random_state(pretext, backbone, shapes):
    def embed(random_state):
        encoder = fast(pretext, backbone, epochs=1, random_state=random_state)
        return encoder.fit_transform(shapes)

    first = embed(0)
    torch.rand(3)
    assert_array_equal(embed(0), first)
    assert (embed(1) != first).any()
    assert_array_equal(embed(np.random.RandomState(3)), embed(np.random.RandomState(3)))


@for_views
def test_views_drawn_from_the_global_state_are_seeded_too(pretext, shapes):
    def noisy(images):
        return images + 0.1 * torch.randn_like(images)

    first = fast(pretext, views=noisy).fit_transform(shapes)
    torch.rand(3)
    assert_array_equal(fast(pretext, views=noisy).fit_transform(shapes), first)


@for_all
def test_global_random_state_is_neither_read_nor_changed(pretext, fitted, shapes):
    before = global_state()
    embedding = fast(pretext).fit_transform(shapes)
    assert global_state() == before
    assert_array_equal(embedding, fitted[pretext].transform(shapes))


# -- a scikit-learn citizen ------------------------------------------------------------


@for_all
def test_parameters_are_stored_as_they_are(pretext):
    defaults = pretext().get_params()
    assert defaults["backbone"] == "auto"
    assert defaults["bad_images"] == "raise"
    changed = {name: object() for name in defaults}
    encoder = pretext().set_params(**changed)
    assert encoder.get_params() == changed
    assert pretext(**changed).get_params() == changed


@for_all
def test_clone_is_unfitted_and_fits_alike(pretext, fitted, shapes):
    copy = clone(fitted[pretext])
    assert copy.get_params() == fitted[pretext].get_params()
    with pytest.raises(NotFittedError):
        copy.transform(shapes)
    assert_array_equal(copy.fit_transform(shapes), fitted[pretext].transform(shapes))


@for_all
@pytest.mark.parametrize("module", [pickle, joblib], ids=["pickle", "joblib"])
def test_a_fitted_pretext_is_saved_and_read_back(
    pretext, module, fitted, shapes, tmp_path
):
    file = tmp_path / "encoder"
    with file.open("wb") as stream:
        module.dump(fitted[pretext], stream)
    with file.open("rb") as stream:
        restored = module.load(stream)
    assert_array_equal(restored.transform(shapes), fitted[pretext].transform(shapes))
    assert restored.history_ == fitted[pretext].history_
    assert clone(restored).get_params() == fitted[pretext].get_params()


@for_all
def test_a_second_fit_forgets_the_first(pretext, fitted, shapes):
    encoder = fast(pretext).fit(make_images(9, 10, 1))
    encoder.fit(shapes)
    assert_array_equal(encoder.transform(shapes), fitted[pretext].transform(shapes))
    assert len(encoder.history_) == 2


@for_all
def test_memory_holds_the_embedding(pretext, fitted, shapes, tmp_path):
    kept = clone(fitted[pretext]).set_params(memory=tmp_path).fit(shapes)
    for _ in range(2):
        assert_array_equal(kept.transform(shapes), fitted[pretext].transform(shapes))
    assert any(tmp_path.iterdir())


@for_all
def test_verbose(pretext, shapes, capsys):
    fast(pretext).fit(shapes)
    assert capsys.readouterr().err == ""
    fast(pretext, verbose=1).fit(shapes)
    assert pretext.__name__ in capsys.readouterr().err


# -- how long, how fast ---------------------------------------------------------------


@for_all
@pytest.mark.parametrize("n_steps", [1, 2, 9, 10, 11, 20])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_any_number_of_steps(pretext, n_steps, optimizer):
    images = make_images(6)
    encoder = fast(pretext, mean_net, epochs=n_steps, optimizer=optimizer)
    assert len(encoder.fit(images).history_) == n_steps


@for_all
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_learning_rate_ends_near_zero(pretext, optimizer, shapes, monkeypatch):
    seen = []
    kind = {"muon": Muon, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[optimizer]
    step = kind.step

    def watch(self, *arguments, **settings):
        seen.append(self.param_groups[0]["lr"])
        return step(self, *arguments, **settings)

    monkeypatch.setattr(kind, "step", watch)
    fast(pretext, epochs=10, optimizer=optimizer, learning_rate=0.01).fit(shapes)
    assert len(seen) == 30
    assert max(seen) == pytest.approx(0.01, rel=0.1)
    assert seen[-1] < 0.0005


@for_all
def test_divergence_in_the_first_epoch(pretext, shapes):
    message = rf"epoch 1 of the {pretext.__name__} stage: lower learning_rate"
    encoder = fast(pretext, epochs=3, learning_rate=1e30, optimizer="sgd", batch_size=8)
    with pytest.raises(DivergenceError, match=message):
        encoder.fit(shapes)


@for_all
def test_later_divergence_leaves_the_last_good_weights(pretext, shapes):
    class Breaking(nn.Module):
        """Returns NaN in training, from the third epoch on."""

        def __init__(self):
            super().__init__()
            self.net = conv_net()
            self.n_batches = 0

        def forward(self, x):
            self.n_batches += self.training
            is_broken = self.training and self.n_batches > 2 * 3
            return self.net(x) * (torch.nan if is_broken else 1)

    settings = {"epochs": 5, "optimizer": "sgd", "learning_rate": 1e-3}
    encoder = fast(pretext, Breaking, **settings)
    with pytest.warns(ConvergenceWarning, match=f"epoch 3 of the {pretext.__name__}"):
        encoder.fit(shapes)
    assert len(encoder.history_) == 2
    assert np.isfinite(encoder.transform(shapes)).all()
    for value in encoder.encoder_.module_.state_dict().values():
        assert torch.isfinite(value).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")  # torch's own
@pytest.mark.parametrize("pretext", [MoCo, BYOL, InstanceDiscrimination])
def test_compile(pretext, fitted, shapes):
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    try:
        get_cpp_compiler()
    except (InvalidCxxCompiler, RuntimeError):
        pytest.skip("torch.compile finds no C++ compiler")
    encoder = fast(pretext, compile=True).fit(shapes)
    embedding = encoder.transform(shapes)
    plain = fitted[pretext]
    losses, of_plain = ([r["loss"] for r in each.history_] for each in (encoder, plain))
    assert_allclose(losses, of_plain, rtol=1e-4)
    # Muon and AdamW make whole steps of gradients that are nothing but rounding errors,
    # as of what a batch norm takes off again: numbers differ by a percent
    apart = paired_cosine_distances(embedding, plain.transform(shapes))
    assert apart.max() < 1e-2
    restored = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(restored.transform(shapes), embedding)


# -- bad input -------------------------------------------------------------------------


@for_all
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"backbone": "resnet18x"}, ValueError, "'resnet18x'.*Did you mean"),
        ({"backbone": mean_net()}, TypeError, "backbone must be 'auto', 'jule', the"),
        ({"backbone": 3}, TypeError, "backbone must be 'auto', 'jule', the .* got int"),
        ({"backbone": lambda: "net"}, TypeError, "must return an nn.Module.* str"),
        ({"backbone": lambda: nn.Conv2d(3, 4, 3)}, ValueError, "one vector an image"),
        ({"image_size": 0}, ValueError, "image_size must be .*; got 0"),
        ({"image_size": "big"}, ValueError, "image_size must be 'auto' or a number"),
        ({"stem": "tiny"}, ValueError, "stem must be one of .*'small'.* got 'tiny'"),
        ({"epochs": 0}, ValueError, "epochs must be .*; got 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer"),
        ({"batch_size": 1}, ValueError, "batch_size must be .*; got 1"),
        ({"optimizer": "adam"}, ValueError, "optimizer must be .*Did you mean 'adamw'"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be .*; got 0"),
        ({"learning_rate": "fast"}, ValueError, "learning_rate must be 'auto' or"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be .*; got -1"),
        ({"device": "gpu"}, ValueError, "device must be 'auto' or a torch device"),
        ({"precision": "fp8"}, ValueError, "precision must be one of"),
        ({"precision": "fp16"}, ValueError, "precision must be .*gradients vanish"),
        ({"memory": 3}, TypeError, "memory must be a path.* got int"),
        ({"bad_images": "drop"}, ValueError, "bad_images must be one of .*'skip'"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
        ({"random_state": "x"}, ValueError, "random_state must be an integer from 0"),
        ({"verbose": -1}, ValueError, "verbose must be .*; got -1"),
    ],
)
def test_wrong_parameters(pretext, parameters, error, message, shapes):
    with pytest.raises(error, match=message):
        pretext(**{"epochs": 1} | parameters).fit(shapes)


@for_views
@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"views": "strong"}, TypeError, "views must be 'auto' or a function.*strong"),
        ({"n_views": 0}, ValueError, "n_views must be .*; got 0"),
        ({"projection_dim": 0}, ValueError, "projection_dim must be .*; got 0"),
        (
            {"views": lambda images: images[1:]},
            ValueError,
            "views must return float views",
        ),
    ],
)
def test_wrong_parameters_of_views(pretext, parameters, error, message, shapes):
    with pytest.raises(error, match=message):
        pretext(**{"epochs": 1} | parameters).fit(shapes)


@pytest.mark.parametrize("pretext", [SimCLR, MoCo, InstanceDiscrimination])
@pytest.mark.parametrize(
    ("temperature", "message"),
    [(0, "temperature must be .*; got 0"), (np.inf, "temperature must be finite")],
)
def test_wrong_temperatures(pretext, temperature, message, shapes):
    with pytest.raises(ValueError, match=message):
        pretext(epochs=1, temperature=temperature).fit(shapes)


@for_all
def test_parameters_are_checked_before_files_are_read(pretext):
    with pytest.raises(ValueError, match=r"epochs must be .*; got 0"):
        pretext(epochs=0).fit(["no-such-file.png"])


@for_all
@pytest.mark.parametrize("image_size", ["auto", 8])
def test_damaged_files_are_all_listed(pretext, shapes, tmp_path, image_size):
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, image in zip(paths, shapes[:6], strict=True):
        Image.fromarray(image).save(path)
    damaged = [str(paths[i]) for i in (0, 2, 5)]
    for path in damaged:  # the header stays
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: len(content) // 2])
    missing = [str(tmp_path / "missing.png")]
    encoder = fast(pretext, image_size=image_size)
    with pytest.raises(ImageReadError, match="4 images") as caught:
        encoder.fit([*paths, *missing])
    assert [failure.path for failure in caught.value.failures] == damaged + missing


@for_all
def test_unreadable_images_are_skipped_where_that_is_asked_for(
    pretext, fitted, shapes, tmp_path
):
    paths = [tmp_path / f"{i}.png" for i in range(len(shapes))]
    for path, image in zip(paths, shapes, strict=True):
        Image.fromarray(image).save(path)
    bad = tmp_path / "bad.png"
    bad.write_text("not an image")
    with_bad = [bad, *paths[:7], bad, *paths[7:]]
    encoder = fast(pretext, bad_images="skip")
    with pytest.warns(UserWarning, match="2 of 42 images"):
        encoder.fit(with_bad)
    with pytest.warns(UserWarning, match="2 of 42 images"):
        features, unreadable = encoder.embed(as_image_source(with_bad))
    embedding = features.array
    rows = np.isfinite(embedding).all(axis=1)
    assert np.flatnonzero(~rows).tolist() == [0, 8]
    # as if they had not been there
    assert_array_equal(embedding[rows], fitted[pretext].transform(shapes))
    assert [failure.row for failure in unreadable] == [0, 8]
