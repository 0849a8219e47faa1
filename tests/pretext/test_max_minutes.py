"""The budget of time of pretexts: how many epochs fit into it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from pretext_helpers import CPU, conv_net, global_state, make_images
from torch import nn

from sklearn_scan.exceptions import CheckpointError
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RotNet,
    SimCLR,
    _base,
)
from sklearn_scan.pretext._pseudo_labels import PseudoLabels
from sklearn_scan.training.loop import Loop

for_all = pytest.mark.parametrize(
    "pretext", [SimCLR, MoCo, InstanceDiscrimination, RotNet]
)

IMAGES = make_images(20)  # in batches of 8: 3 steps an epoch


def fast(pretext=SimCLR, **parameters):
    settings = {"batch_size": 8, "random_state": 0} | CPU
    return pretext(conv_net, **settings | parameters)


@pytest.fixture
def clock(step_clock):
    return step_clock


# Timed: 10 + 2 + 1 seconds (a twentieth of the budget is less than two, or the most,
# two seconds, are one step of two); an epoch takes 3.
@for_all
@pytest.mark.parametrize(
    ("seconds", "epochs", "expected"),
    [
        (13 + 3, "auto", 1),
        (13 + 5.9, "auto", 1),
        (13 + 6, "auto", 2),
        (13 + 6, 1, 1),
        (13 + 6, 7, 2),
        (1e6, 3, 3),
        (13 + 6, 10**20, 2),
    ],
)
def test_as_many_epochs_as_fit(pretext, seconds, epochs, expected, clock):
    encoder = fast(pretext, epochs=epochs, max_minutes=seconds / 60).fit(IMAGES)
    assert encoder.n_epochs_ == len(encoder.history_) == expected
    assert clock.n_steps == 3 + 3 * expected


def test_clusters_before_each_epoch_count(clock, monkeypatch):
    embed = PseudoLabels._embed

    def slow(self, loop):
        clock.now += 4
        return embed(self, loop)

    monkeypatch.setattr(PseudoLabels, "_embed", slow)
    settings = {"prototype_weight": 0.1, "n_prototypes": 3}
    encoder = fast(BYOL, max_minutes=(17 + 2 * 7) / 60, **settings).fit(IMAGES)
    assert encoder.n_epochs_ == 2


def test_auto_makes_800_epochs_at_most(clock, monkeypatch):
    assert _base.MOST_EPOCHS_IN_BUDGET == 800
    monkeypatch.setattr(_base, "MOST_EPOCHS_IN_BUDGET", 4)
    assert fast(max_minutes=1e6).fit(IMAGES).n_epochs_ == 4


def test_more_steps_are_timed_where_they_are_quick(clock, monkeypatch):
    step, timed = Loop.step, []

    def quick(loop, batch):
        timed.append(1)
        now = clock.now
        terms = step(loop, batch)
        clock.now = now + 0.25
        return terms

    monkeypatch.setattr(Loop, "step", quick)
    encoder = fast(epochs=1000, max_minutes=11 / 60, batch_size=256).fit(IMAGES)
    # a twentieth of 11 seconds are two steps of a quarter second, after two to warm up
    assert encoder.n_epochs_ == 40
    assert len(timed) == 4 + 40


@for_all
def test_timing_changes_nothing_but_the_number_of_epochs(pretext):
    """Neither weights nor random numbers, of views and of networks."""

    def noisy_net():
        return nn.Sequential(conv_net(), nn.Dropout(0.2))

    plain = fast(pretext, epochs=2).set_params(backbone=noisy_net).fit(IMAGES)
    before = global_state()
    timed = fast(pretext, epochs=2, max_minutes=60).set_params(backbone=noisy_net)
    timed.fit(IMAGES)
    assert global_state() == before
    assert timed.history_ == plain.history_
    assert_array_equal(timed.transform(IMAGES), plain.transform(IMAGES))


def test_the_schedule_is_that_of_the_chosen_number(clock):
    budgeted = fast(max_minutes=(13 + 12) / 60).fit(IMAGES)
    plain = fast(epochs=4).fit(IMAGES)
    assert budgeted.n_epochs_ == plain.n_epochs_ == 4
    assert_array_equal(budgeted.transform(IMAGES), plain.transform(IMAGES))


def test_callbacks_hear_of_the_chosen_number(clock):
    class Recorder:
        n_epochs = 0

        def setup(self, estimator, context):
            self.planned = context.max_subtasks

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            self.n_epochs += context.task_name == "epoch"

    recorder = Recorder()
    fast(max_minutes=(13 + 6) / 60).set_callbacks(recorder).fit(IMAGES)
    assert recorder.planned == recorder.n_epochs == 2


def test_epochs_of_an_early_stop_are_those_that_were_made():
    class Breaking(nn.Module):
        """Returns NaN in training, from the second epoch on."""

        def __init__(self):
            super().__init__()
            self.net = conv_net()
            self.n_batches = 0

        def forward(self, x):
            self.n_batches += self.training
            is_broken = self.training and self.n_batches > 3
            return self.net(x) * (torch.nan if is_broken else 1)

    with pytest.warns(UserWarning, match="epoch 2"):
        encoder = fast(epochs=5).set_params(backbone=Breaking).fit(IMAGES)
    assert encoder.n_epochs_ == 1


# -- checkpoints -----------------------------------------------------------------------


@for_all
@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_a_stopped_fit_goes_on_with_the_epochs_it_began_with(
    pretext, stop_at, clock, monkeypatch, stop_training, tmp_path
):
    def make(checkpoint):
        return fast(pretext, max_minutes=(13 + 9) / 60, checkpoint=checkpoint)

    expected = make(None).fit(IMAGES)
    clock.n_steps = 0
    # stop_at steps are made, also those that are timed
    stop_training(lambda: make(tmp_path).fit(IMAGES), stop_at + 1)
    assert clock.n_steps == stop_at
    # the machine is slower now, which does not matter
    clock.n_steps, step = 2, Loop.step

    def slow(loop, batch):
        clock.now += 1000
        return step(loop, batch)

    monkeypatch.setattr(Loop, "step", slow)
    found = make(tmp_path).fit(IMAGES)
    # three steps were timed, and the last one before the stop was kept
    assert clock.n_steps == 2 + 9 - (stop_at - 3)
    assert found.n_epochs_ == expected.n_epochs_ == 3
    assert found.history_ == expected.history_
    assert_array_equal(found.transform(IMAGES), expected.transform(IMAGES))


def test_another_budget_is_another_fit(tmp_path):
    fast(epochs=1, max_minutes=60, checkpoint=tmp_path).fit(IMAGES)
    with pytest.raises(CheckpointError, match=r"max_minutes was 60, and is 61"):
        fast(epochs=1, max_minutes=61, checkpoint=tmp_path).fit(IMAGES)


# -- bad input -------------------------------------------------------------------------


@for_all
def test_a_budget_too_short_for_one_epoch(pretext, clock, tmp_path):
    budget = (13 + 2.9) / 60
    message = (
        r"^max_minutes=0\.265 is too short for one epoch, which takes about 0\.05 "
        r"minutes: pass a larger max_minutes, or fewer images\.$"
    )
    for checkpoint in (None, tmp_path):
        clock.n_steps = 0
        with pytest.raises(ValueError, match=message):
            fast(pretext, max_minutes=budget, checkpoint=checkpoint).fit(IMAGES)
        assert clock.n_steps == 3  # nothing is trained
    # nothing was kept that stands in the way
    clock.n_steps = 0
    fast(pretext, max_minutes=1, epochs=1, checkpoint=tmp_path).fit(IMAGES)


@for_all
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "max_minutes must be above 0; got 0"),
        (-1, ValueError, "max_minutes must be above 0; got -1"),
        (np.nan, ValueError, "max_minutes must be finite; got nan"),
        (np.inf, ValueError, "max_minutes must be finite; got inf"),
        ("5", TypeError, "max_minutes must be a number; got '5'"),
        ("auto", TypeError, "max_minutes must be a number; got 'auto'"),
    ],
)
def test_wrong_budgets(pretext, value, error, message):
    with pytest.raises(error, match=message):
        fast(pretext, max_minutes=value).fit(["no-such-file.png"])
