"""scikit-learn's callbacks follow the training of a pretext: its epochs."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pretext_helpers import CPU, conv_net, global_state, make_images
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_scan import SCANClusterer
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RotNet,
    SimCLR,
    SimSiam,
    VICReg,
)

PRETEXTS = [SimCLR, MoCo, BYOL, SimSiam, VICReg, InstanceDiscrimination, RotNet]
for_all = pytest.mark.parametrize("pretext", PRETEXTS)

IMAGES = make_images(20)
TARGETS = np.arange(20) % 2


class Recorder:
    """Notes the tasks that end, and what a pretext fitted so far embeds."""

    def __init__(self, stop_at=None):
        self.begun = []
        self.ended = []
        self.embedded = []
        self.data = []
        self.stop_at = stop_at

    def setup(self, estimator, context):
        self.ended.append("setup")
        self.planned = context.max_subtasks

    def teardown(self, estimator, context):
        self.ended.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(f"{context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        self.ended.append(f"{context.task_name} {context.task_id}")
        self.data.append((X, y))
        if fitted_estimator is not None:
            self.embedded.append(fitted_estimator.transform(IMAGES))
        return context.task_name == "epoch" and context.task_id == self.stop_at


class Blind(Recorder):
    """Asks for nothing."""

    def on_fit_task_end(self, estimator, context):
        self.ended.append(f"{context.task_name} {context.task_id}")


def fast(pretext, **parameters):
    settings = {"epochs": 3, "batch_size": 8, "random_state": 0} | CPU
    return pretext(conv_net, **settings | parameters)


def tasks(n_epochs):
    return [*(f"epoch {i}" for i in range(n_epochs)), "fit 0"]


@for_all
def test_each_epoch_is_a_task(pretext):
    recorder = Recorder()
    fast(pretext).set_callbacks(recorder).fit(IMAGES, TARGETS)
    assert recorder.planned == 3
    assert recorder.ended == ["setup", *tasks(3), "teardown"]
    assert sorted(recorder.begun) == sorted(tasks(3))
    assert all(X is IMAGES and y is TARGETS for X, y in recorder.data)


@for_all
def test_callbacks_change_nothing(pretext):
    plain = fast(pretext).fit(IMAGES)
    before = global_state()
    watched = fast(pretext).set_callbacks(Recorder()).fit(IMAGES)
    assert global_state() == before
    assert_array_equal(watched.transform(IMAGES), plain.transform(IMAGES))
    assert watched.history_ == plain.history_


@for_all
def test_what_is_learnt_so_far_embeds_images(pretext):
    recorder = Recorder()
    encoder = fast(pretext).set_callbacks(recorder).fit(IMAGES)
    *epochs, whole = recorder.embedded
    assert len(epochs) == 3
    assert all(np.isfinite(embedding).all() for embedding in epochs)
    assert (epochs[0] != epochs[1]).any()
    # those of the last epoch are what the fit ends with
    assert_array_equal(epochs[-1], encoder.transform(IMAGES))
    assert_array_equal(whole, epochs[-1])


def test_a_fitted_copy_stands_apart_from_what_is_trained():
    class Keeper(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            self.embedded.append((fitted_estimator, fitted_estimator.transform(IMAGES)))

    keeper = Keeper()
    fast(SimCLR).set_callbacks(keeper).fit(IMAGES)
    for encoder, embedding in keeper.embedded:
        assert_array_equal(encoder.transform(IMAGES), embedding)


def test_a_fitted_copy_reads_floats_on_the_scale_of_fit():
    class Dark(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            self.embedded.append(fitted_estimator.transform(images[:1]))

    images = np.random.default_rng(0).uniform(0, 255, (20, 8, 8))
    images[0] /= 255
    dark = Dark()
    encoder = fast(SimCLR).set_callbacks(dark).fit(images)
    assert_allclose(dark.embedded[-2], encoder.transform(images)[:1], atol=1e-5)


def test_copies_are_made_only_where_a_callback_asks(monkeypatch):
    made = []
    make = SimCLR._as_encoder

    def watch(self, *arguments):
        made.append(self)
        return make(self, *arguments)

    monkeypatch.setattr(SimCLR, "_as_encoder", watch)
    fast(SimCLR).set_callbacks(Blind()).fit(IMAGES)
    assert len(made) == 1
    fast(SimCLR).set_callbacks(Recorder()).fit(IMAGES)
    assert len(made) == 1 + 3 + 1


def test_copies_leave_nothing_in_memory(tmp_path):
    plain = fast(SimCLR, memory=tmp_path / "plain")
    plain.fit(IMAGES).transform(IMAGES)
    watched = fast(SimCLR, memory=tmp_path / "watched").set_callbacks(Recorder())
    watched.fit(IMAGES).transform(IMAGES)

    def names(folder):
        return {file.relative_to(folder) for file in folder.rglob("*")}

    assert names(tmp_path / "plain")
    assert names(tmp_path / "watched") == names(tmp_path / "plain")


@for_all
def test_a_callback_stops_the_training(pretext):
    recorder = Recorder(stop_at=1)
    encoder = fast(pretext, epochs=9).set_callbacks(recorder).fit(IMAGES)
    assert len(encoder.history_) == 2
    assert recorder.ended == ["setup", *tasks(2), "teardown"]
    assert_array_equal(encoder.transform(IMAGES), recorder.embedded[1])


def test_callbacks_are_torn_down_after_an_error():
    recorder = Recorder()
    pretext = fast(SimCLR, views=lambda images: images[1:]).set_callbacks(recorder)
    with pytest.raises(ValueError, match="views must return"):
        pretext.fit(IMAGES)
    assert recorder.ended == ["setup", "teardown"]
    with pytest.raises(NotFittedError):
        pretext.transform(IMAGES)


def test_the_bar_shows_the_epochs(capsys):
    pytest.importorskip("rich")
    fast(SimCLR).set_callbacks(ProgressBar()).fit(IMAGES)
    shown = capsys.readouterr().out
    assert "SimCLR - fit" in shown
    assert "100%" in shown


# scikit-learn's own; KMeans has none in 1.9
@pytest.mark.filterwarnings("ignore:The estimator KMeans does not support callbacks")
def test_a_pipeline_passes_the_bar_on(capsys):
    pytest.importorskip("rich")
    pipeline = make_pipeline(fast(SimCLR), KMeans(2, n_init=1, random_state=0))
    plain = clone(pipeline).fit(IMAGES)
    pipeline.set_callbacks(ProgressBar()).fit(IMAGES)
    shown = capsys.readouterr().out
    assert "SimCLR" in shown
    assert_array_equal(pipeline[-1].labels_, plain[-1].labels_)


def test_a_recorder_in_a_pipeline_hears_of_its_own_pretext():
    recorder = Recorder()
    pretext = fast(SimCLR).set_callbacks(recorder)
    make_pipeline(pretext, KMeans(2, n_init=1)).fit(IMAGES)
    names = [name.split()[0] for name in recorder.ended]
    assert names == ["setup", "epoch", "epoch", "epoch", "fit", "teardown"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("of_encoder", [False, True])
def test_the_encoder_of_a_clusterer_tells_its_own_callbacks(of_encoder):
    """The clusterer trains a clone: the encoder's callbacks hear of that."""
    outer, inner = Blind(), Recorder()
    encoder = fast(SimCLR)
    if of_encoder:
        encoder.set_callbacks(inner)
    clusterer = SCANClusterer(
        2,
        encoder=encoder,
        n_neighbors=5,
        n_heads=2,
        max_epochs=1,
        self_label_epochs=0,
        **CPU,
    )
    clusterer.set_callbacks(outer).fit(IMAGES)
    assert outer.ended[0] == "setup"
    assert "encode 0" in outer.ended
    assert inner.ended == (["setup", *tasks(3), "teardown"] if of_encoder else [])
    with pytest.raises(NotFittedError):
        encoder.transform(IMAGES)
