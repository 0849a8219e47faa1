"""The callbacks of a scikit-learn estimator hear of the epochs of a loop."""

import math

import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from torch import nn
from training_helpers import numbered_singles

from sklearn_scan.training.batches import MultiView
from sklearn_scan.training.callbacks import EstimatorCallbacks
from sklearn_scan.training.loop import Loop
from sklearn_scan.training.objectives import Objective


class Squares(Objective):
    """The mean square of the outputs; NaN from one of its calls on."""

    def __init__(self, broken_call=math.inf):
        super().__init__()
        self.broken_call = broken_call
        self.n_calls = 0

    def losses(self, outputs, targets):
        self.n_calls += 1
        factor = math.nan if self.n_calls >= self.broken_call else 1.0
        return {"squares": factor * outputs[0].square().mean(dim=(1, 2))}


class Slope(CallbackSupportMixin, BaseEstimator):
    """Learns a number; counts how often a fitted copy is made."""

    def __init__(self, broken_epoch=math.inf):
        self.broken_epoch = broken_epoch

    @with_callbacks
    def fit(self, X, y=None):
        network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Unflatten(0, (1, -1)))
        nn.init.ones_(network[0].weight)
        self.n_made = 0

        def fitted():
            self.n_made += 1
            return {"slope_": network[0].weight.item()}

        with_task = self._init_callback_context(max_subtasks=5)
        with_task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        batches = numbered_singles(batch_size=8)  # three an epoch
        loop = Loop(
            MultiView(network, 1),
            Squares((self.broken_epoch - 1) * len(batches) + 1),
            batches,
            torch.optim.SGD(network.parameters(), 1e-4),
            callbacks=[EstimatorCallbacks(with_task, self, X, y, fitted)],
        )
        self.history_ = loop.run(n_epochs=5)
        self.slope_ = network[0].weight.item()
        with_task.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self


class Events:
    """Notes the tasks that begin and end; stops the training after one of them."""

    def __init__(self, stop_at=None):
        self.notes = []
        self.data = []
        self.stop_at = stop_at

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.notes.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X, y):
        self.notes.append(f"end {context.task_name} {context.task_id}")
        self.data.append((estimator, X, y))
        return context.task_name == "epoch" and context.task_id == self.stop_at


class Slopes(Events):
    """Notes what a fitted copy has learnt."""

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        slope = None if fitted_estimator is None else fitted_estimator.slope_
        self.notes.append(slope)


def epochs(n):
    """Return the notes of a fit of n epochs."""
    inner = [f"{event} epoch {i}" for i in range(n) for event in ("begin", "end")]
    return ["begin fit 0", *inner, "end fit 0"]


def test_each_epoch_is_a_task_of_the_fit():
    events = Events()
    slope = Slope().set_callbacks(events)
    slope.fit("X", "y")
    assert events.notes == epochs(5)
    assert events.data == [(slope, "X", "y")] * 6


def test_a_callback_that_returns_true_stops_the_training():
    stopping, other = Events(stop_at=2), Events()
    slope = Slope().set_callbacks(stopping, other).fit("X")
    assert len(slope.history_) == 3
    assert stopping.notes == other.notes == epochs(3)


def test_fitted_copies_are_made_only_where_a_callback_asks():
    assert Slope().set_callbacks(Events()).fit("X").n_made == 0
    # once for both
    assert Slope().set_callbacks(Slopes(), Slopes()).fit("X").n_made == 5


def test_a_fitted_copy_is_what_there_would_be_without_the_epochs_to_come():
    slopes = Slopes()
    slope = Slope().set_callbacks(slopes).fit("X")
    seen = [note for note in slopes.notes if isinstance(note, float)]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == slope.slope_ < seen[0] < 1


def test_an_epoch_that_diverges_ends_without_a_fitted_copy():
    events, slopes = Events(), Slopes()
    slope = Slope(broken_epoch=3).set_callbacks(events, slopes)
    with pytest.warns(ConvergenceWarning, match="weights of epoch 2"):
        slope.fit("X")
    assert events.notes == epochs(3)
    assert slope.n_made == 2
    assert [note for note in slopes.notes if not isinstance(note, str)][2] is None
