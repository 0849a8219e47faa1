"""The encoder that chooses a pretext by the images and the device."""

import io
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from pretext_helpers import CPU, global_state, make_images
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_scan import ImageEncoder, load, save
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images.augment import ColorViews, GreyViews
from sklearn_scan.pretext import LearnedEncoder, SimCLR, choose_pretext
from sklearn_scan.training.loop import Loop

IMAGES = make_images(20, 10)
MINUTES = (13 + 2) / 60  # by `step_clock`: two epochs of one step


def make(**parameters):
    return LearnedEncoder(
        **{"max_minutes": MINUTES, "random_state": 0} | CPU | parameters
    )


@pytest.fixture
def fitted(step_clock):
    return make().fit(IMAGES)


# -- what is chosen --------------------------------------------------------------------


@pytest.mark.parametrize("device_type", ["cpu", "mps"])
@pytest.mark.parametrize(("side", "expected"), [(5, 8), (20, 20), (500, 32)])
def test_without_a_gpu_it_is_simclr_with_a_small_network(device_type, side, expected):
    pretext = choose_pretext(1000, side, is_grey=False, device_type=device_type)
    assert isinstance(pretext.views, ColorViews)
    assert pretext.image_size == expected
    plain = SimCLR(image_size=expected, views=pretext.views, epochs=pretext.epochs)
    assert pretext.get_params() == plain.get_params()


@pytest.mark.parametrize(
    ("n_images", "side", "n_epochs"),
    [
        (100, 32, 300),
        (3000, 500, 267),
        (3000, 16, 67),
        (1800, 8, 40),
        (10_000, 32, 80),
        (20_000, 32, 40),
        (100_000, 32, 25),
        (10**7, 32, 1),
    ],
)
def test_without_a_gpu_more_and_larger_images_take_longer(n_images, side, n_epochs):
    pretext = choose_pretext(n_images, side, is_grey=True, device_type="cpu")
    assert pretext.epochs == n_epochs


@pytest.mark.parametrize(("side", "expected"), [(8, 32), (64, 64), (500, 96)])
@pytest.mark.parametrize(
    ("n_images", "n_epochs"), [(2, 800), (20_000, 500), (1_000_000, 200)]
)
def test_on_a_gpu_it_is_a_resnet(side, expected, n_images, n_epochs):
    pretext = choose_pretext(n_images, side, is_grey=True, device_type="cuda")
    assert isinstance(pretext.views, GreyViews)
    assert pretext.backbone == "resnet18"
    assert pretext.image_size == expected
    assert pretext.epochs == n_epochs
    pretext.set_params(**CPU).check()


@pytest.mark.parametrize(
    ("n_channels", "views"), [(1, GreyViews), (3, ColorViews)], ids=["grey", "colour"]
)
def test_it_looks_at_the_images(n_channels, views, step_clock):
    pretext = make().fit(make_images(20, 12, n_channels)).pretext_
    assert isinstance(pretext.views, views)
    assert pretext.image_size == 12


def test_one_image_of_colour_makes_a_coloured_set(step_clock):
    images = np.repeat(make_images(20, 8, 1), 3, axis=3)
    images[7, 2, 3] = 0, 50, 100
    assert isinstance(make().fit(images).pretext_.views, ColorViews)


def test_most_images_tell_the_size(step_clock, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path, side in zip(paths, [30, 12, 12, 12, 9], strict=True):
        Image.fromarray(make_images(1, side)[0]).save(path)
    assert make().fit(paths).pretext_.image_size == 12


def test_it_ends_as_the_pretext_that_it_chose(fitted):
    pretext = clone(fitted.pretext_).set_params(max_minutes=None, epochs=2)
    assert isinstance(pretext, SimCLR)
    assert_array_equal(pretext.fit_transform(IMAGES), fitted.transform(IMAGES))
    assert fitted.pretext_.history_ == pretext.history_
    assert fitted.pretext_.n_epochs_ == 2


def test_without_a_budget_the_epochs_are_those_of_the_pretext(step_clock, monkeypatch):
    monkeypatch.setattr(Loop, "run", lambda _loop, n_epochs: [{"loss": 0}] * n_epochs)
    assert make(max_minutes=None).fit(IMAGES).pretext_.n_epochs_ == 300


# -- the line before the training ------------------------------------------------------


@pytest.mark.parametrize(
    ("n_channels", "seconds", "line"),
    [
        (3, 2, "20 colour images of 10 pixels: SimCLR, network 'auto', 2 passes"),
        (1, 1, "20 grey images of 10 pixels: SimCLR, network 'auto', 1 pass"),
    ],
)
def test_it_says_what_it_does(n_channels, seconds, line, step_clock, capsys):
    make(max_minutes=(13 + seconds) / 60).fit(make_images(20, 10, n_channels))
    shown = capsys.readouterr()
    unit = "seconds" if seconds > 1 else "second"
    expected = f"Learning an encoder from {line}, about {seconds} {unit} on cpu.\n"
    assert shown.err == expected
    assert shown.out == ""


# -- an encoder, and a scikit-learn citizen --------------------------------------------


def test_it_embeds_as_its_encoder_does(fitted):
    assert isinstance(fitted.encoder_, ImageEncoder)
    assert fitted.encoder_ is fitted.pretext_.encoder_
    embedding = fitted.transform(IMAGES)
    assert embedding.dtype == np.float32
    assert embedding.shape == (20, len(fitted.get_feature_names_out()))
    assert_array_equal(fitted.encoder_.transform(IMAGES), embedding)


def test_the_backbone_can_be_trained_further(fitted, tmp_path):
    before = fitted.transform(IMAGES)
    module, _ = fitted.for_training()
    for parameter in module.parameters():
        parameter.data.mul_(1.5)
    trained = fitted.with_trained(module)
    after = trained.transform(IMAGES)
    assert (after != before).any()
    assert_array_equal(trained.pretext_.transform(IMAGES), after)
    assert_array_equal(fitted.transform(IMAGES), before)


def test_floats_are_read_on_the_scale_of_fit(step_clock):
    images = np.random.default_rng(0).uniform(0, 255, (20, 8, 8))
    images[0] /= 255
    encoder = make()
    embedding = encoder.fit_transform(images)
    np.testing.assert_allclose(encoder.transform(images[:1]), embedding[:1], atol=1e-5)


@pytest.mark.parametrize("way", ["save", "pickle"])
def test_it_is_saved_and_read_back(way, fitted, tmp_path):
    if way == "save":
        save(fitted, tmp_path / "model")
        restored = load(tmp_path / "model")
    else:
        restored = pickle.loads(pickle.dumps(fitted))
    assert restored.get_params() == fitted.get_params()
    assert_array_equal(restored.transform(IMAGES), fitted.transform(IMAGES))
    assert restored.pretext_.history_ == fitted.pretext_.history_
    assert restored.pretext_.n_epochs_ == 2


def test_parameters_and_clones(fitted):
    changed = {name: object() for name in LearnedEncoder().get_params()}
    assert LearnedEncoder(**changed).get_params() == changed
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(IMAGES)


def test_a_pipeline_and_a_search(step_clock):
    pipeline = make_pipeline(make(), KMeans(2, n_init=1, random_state=0))
    assert set(pipeline.fit(IMAGES).predict(IMAGES)) == {0, 1}
    # only the first two steps of all fits take longer than a second
    grid = {"learnedencoder__max_minutes": [(3 + 2) / 60]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(IMAGES)
    assert search.best_estimator_[0].pretext_.n_epochs_ == 2


def test_random_numbers(step_clock):
    before = global_state()
    first = make(random_state=1).fit_transform(IMAGES)
    assert global_state() == before
    step_clock.n_steps = 0
    assert_array_equal(make(random_state=1).fit_transform(IMAGES), first)
    step_clock.n_steps = 0
    assert (make(random_state=2).fit_transform(IMAGES) != first).any()


def test_a_finished_fit_is_there_again(step_clock, tmp_path, capsys):
    first = make(checkpoint=tmp_path / "a").fit(IMAGES)
    line, n_steps = capsys.readouterr().err, step_clock.n_steps
    again = make(checkpoint=tmp_path / "a").fit(IMAGES)
    assert step_clock.n_steps == n_steps  # nor is it timed again
    assert capsys.readouterr().err == line
    assert_array_equal(again.transform(IMAGES), first.transform(IMAGES))


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"max_minutes": 0}, ValueError, "max_minutes must be above 0; got 0"),
        ({"max_minutes": "5"}, TypeError, "max_minutes must be a number; got '5'"),
        ({"device": "gpu"}, ValueError, "device must be 'auto' or a torch device"),
        ({"precision": "fp16"}, ValueError, "precision must be .*gradients vanish"),
        ({"bad_images": "drop"}, ValueError, "bad_images must be one of"),
        ({"random_state": "x"}, ValueError, "random_state must be an integer from 0"),
        ({"checkpoint": 3}, TypeError, "checkpoint must be a folder"),
        ({"verbose": -1}, ValueError, "verbose must be .*; got -1"),
    ],
)
def test_wrong_parameters_come_before_files_are_read(parameters, error, message):
    with pytest.raises(error, match=message):
        make(**parameters).fit(["no-such-file.png"])


def test_a_budget_too_short_for_one_epoch(step_clock):
    with pytest.raises(
        ValueError, match=r"max_minutes=0\.1 is too short for one epoch"
    ):
        make(max_minutes=0.1).fit(IMAGES)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((20, 64)), ValueError, "A 2-D array means features"),
        ([], ValueError, "0 sample"),
        (make_images(1), ValueError, "1 image, while a minimum of 2"),
    ],
)
def test_wrong_images_are_refused_as_by_pretexts(X, error, message, step_clock):
    for encoder in (SimCLR(**CPU), make()):
        with pytest.raises(error, match=message):
            encoder.fit(X)


def test_unreadable_images(step_clock):
    def encode(image):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png")
        return file.getvalue()

    good = [encode(image) for image in IMAGES]
    with pytest.raises(ImageReadError, match="2 images"):
        make().fit([b"damaged", b"too"])
    with pytest.warns(UserWarning, match="1 of 21 images"):
        encoder = make(bad_images="skip").fit([b"damaged", *good])
    assert encoder.pretext_.image_size == 10
