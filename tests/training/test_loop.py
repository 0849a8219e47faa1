"""The loop: its history, its callbacks, divergence, and what it evaluates."""

import math
from contextlib import contextmanager

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn
from training_helpers import (
    N_SAMPLES,
    numbered_pairs,
    numbered_singles,
    successors,
)

from sklearn_scan.exceptions import DivergenceError
from sklearn_scan.training.batches import MultiView, ViewPairs
from sklearn_scan.training.loop import Loop, LoopCallback, evaluate
from sklearn_scan.training.objectives import Objective, PairObjective


class TwoHeads(nn.Module):
    """One number a sample, from two heads; counts its batches."""

    def __init__(self, weight=3.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[[weight]], [[2 * weight]]]))
        self.n_batches = 0

    def forward(self, samples):
        self.n_batches += 1
        return samples * self.weight


class Distance(PairObjective):
    """The squared distance to a partner one further, and something to add to it."""

    def terms(self, anchor, partner):
        distance = (partner - anchor - 1).square().mean(dim=(1, 2))
        return {"distance": distance, "constant": torch.full_like(distance, 0.25)}


class Squares(Objective):
    """The mean square of the outputs, times `value` from one of its calls on."""

    def __init__(self, broken_call=math.inf, value=math.nan):
        super().__init__()
        self.value = value
        self.broken_call = broken_call
        self.n_calls = 0

    def losses(self, outputs, targets):
        self.n_calls += 1
        factor = self.value if self.n_calls >= self.broken_call else 1.0
        return {"squares": factor * outputs[0].square().mean(dim=(1, 2))}


class AfterEpoch(LoopCallback):
    """Calls a function after each epoch."""

    def __init__(self, function):
        self.function = function

    def after_epoch(self, loop, record):
        return self.function(loop, record)


class Notes(LoopCallback):
    """Notes each of its calls."""

    def __init__(self, notes, name=""):
        self.notes = notes
        self.name = name

    def begin(self, loop):
        self.notes.append(f"{self.name}begin of {loop.n_epochs}")

    def before_epoch(self, loop):
        self.notes.append(f"{self.name}before {len(loop.history) + 1}")

    def after_epoch(self, loop, record):
        self.notes.append(f"{self.name}after {record['epoch']}")
        return False

    def end(self, loop):
        self.notes.append(f"{self.name}end")


def sgd(module, learning_rate):
    return torch.optim.SGD(module.parameters(), learning_rate)


def as_views(module, batches):
    return MultiView(module, 2 if isinstance(batches, ViewPairs) else 1)


def make_loop(module, objective, batches, learning_rate, **settings):
    optimizer = sgd(module, learning_rate)
    return Loop(as_views(module, batches), objective, batches, optimizer, **settings)


# -- the history ---------------------------------------------------------------------


def test_a_run_lowers_the_loss():
    module = TwoHeads()
    # each of 23 samples after the next: the best weight is near zero, not three
    pairs = numbered_pairs(draw_partners=successors)
    history = make_loop(module, Distance(), pairs, 1e-3).run(n_epochs=20)
    assert history[-1]["loss"] < history[0]["loss"] / 10
    assert not module.training


def test_history_holds_means_over_heads_and_batches():
    module = TwoHeads()
    pairs = numbered_pairs(20, batch_size=5, partner_view=lambda x: x + 2)
    history = make_loop(module, Distance(), pairs, 0.0, stage="toy").run(n_epochs=2)
    # weights 3 and 6: the partner is 6 or 12 further instead of 1
    distance = (5**2 + 11**2) / 2
    terms = {"loss": distance + 0.25, "distance": distance, "constant": 0.25}
    assert [entry.pop("stage") for entry in history] == ["toy", "toy"]
    assert [entry.pop("epoch") for entry in history] == [1, 2]
    assert history == [pytest.approx(terms), pytest.approx(terms)]


def test_no_epochs_leave_no_history():
    module = TwoHeads()
    assert make_loop(module, Distance(), numbered_pairs(), 1.0).run(n_epochs=0) == []
    assert module.n_batches == 0


def test_a_second_run_goes_on_to_more_epochs_in_all():
    whole, halves = TwoHeads(), TwoHeads()
    expected = make_loop(whole, Squares(), numbered_singles(), 1e-4).run(n_epochs=4)
    loop = make_loop(halves, Squares(), numbered_singles(), 1e-4)
    assert len(loop.run(n_epochs=2)) == 2
    assert loop.run(n_epochs=4) == expected
    assert torch.equal(halves.weight, whole.weight)


def test_the_bar_is_full_when_training_ends_early(capsys):
    stop = AfterEpoch(lambda _loop, record: record["epoch"] == 3)
    settings = {"stage": "toy", "verbose": 1, "callbacks": [stop]}
    make_loop(TwoHeads(), Distance(), numbered_pairs(), 1e-9, **settings).run(9)
    last = capsys.readouterr().err.split("\r")[-1]
    assert "100%" in last
    assert "3/3" in last


def test_verbose_shows_the_stage_and_its_epochs(capsys):
    make_loop(TwoHeads(), Squares(), numbered_singles(), 0.0).run(n_epochs=2)
    assert capsys.readouterr().err == ""
    settings = {"stage": "toy", "verbose": 1}
    loop = make_loop(TwoHeads(), Squares(), numbered_singles(), 0.0, **settings)
    loop.run(n_epochs=2)
    shown = capsys.readouterr().err
    assert "toy: 100%" in shown
    assert "2/2" in shown


def test_evaluate_returns_the_loss_of_each_head():
    module = TwoHeads()
    pairs = numbered_pairs(partner_view=lambda x: x + 2)
    losses = evaluate(MultiView(module), Distance(), pairs, n_passes=3)
    torch.testing.assert_close(losses, torch.tensor([25.25, 121.25]))
    assert not losses.requires_grad
    assert module.n_batches == 3 * len(pairs)
    assert not module.training


def test_evaluate_takes_no_more_batches_than_asked_for():
    module, pairs = TwoHeads(), numbered_pairs()
    evaluate(MultiView(module), Distance(), pairs, n_passes=3, n_batches=7)
    assert len(pairs) < module.n_batches == 7


# -- a step --------------------------------------------------------------------------


def test_every_batch_steps_the_scheduler_and_enters_autocast():
    entered = []

    class Autocast:
        def __enter__(self):
            entered.append(self)

        def __exit__(self, *exception):
            return None

    module, pairs = TwoHeads(), numbered_pairs()
    optimizer = sgd(module, 1e-9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    loop = Loop(
        MultiView(module),
        Distance(),
        pairs,
        optimizer,
        scheduler=scheduler,
        autocast=Autocast(),
    )
    loop.run(n_epochs=2)
    assert len(entered) == 2 * len(pairs)
    assert scheduler.get_last_lr() == [1e-9 * 0.5 ** (2 * len(pairs))]


def test_the_objective_gets_the_targets_of_each_batch():
    seen = []

    class Watch(Squares):
        def losses(self, outputs, targets):
            seen.append((outputs, targets))
            return super().losses(outputs, targets)

    module = TwoHeads(weight=1.0)
    singles = numbered_singles()
    make_loop(module, Watch(), singles, 0.0).run(n_epochs=2)
    assert len(seen) == 2 * len(singles)
    for (outputs,), targets in seen:
        assert torch.equal(outputs[0, :, 0], targets.float())


def test_the_objective_prepares_then_learns_then_remembers():
    calls = []

    class Watch(Squares):
        def prepare(self, outputs, targets):
            calls.append(("prepare", outputs, targets))

        def gradient(self, outputs, targets):
            calls.append(("gradient", outputs, targets))
            return super().gradient(outputs, targets)

        def remember(self, outputs, targets):
            calls.append(("remember", outputs, targets))

    singles = numbered_singles()
    make_loop(TwoHeads(), Watch(), singles, 1e-4).run(n_epochs=1)
    names, outputs, targets = zip(*calls, strict=True)
    assert list(names) == ["prepare", "gradient", "remember"] * len(singles)
    for step in range(0, len(calls), 3):
        first, *others = (part for (part,) in outputs[step : step + 3])
        assert not first.requires_grad
        assert all(torch.equal(first, other) for other in others)
        assert all(torch.equal(targets[step], t) for t in targets[step : step + 3])


def test_what_an_objective_does_not_learn_through_is_left_alone():
    class Apart(nn.Module):
        """Two weights, of one output each."""

        def __init__(self):
            super().__init__()
            self.first = nn.Parameter(torch.ones(1))
            self.second = nn.Parameter(torch.ones(1))

        def forward(self, samples):
            return samples * self.first, samples * self.second

    class FirstOnly(Objective):
        def losses(self, outputs, targets):
            return {"first": outputs[0].square().mean(dim=(1, 2))}

    module, singles = Apart(), numbered_singles(view=lambda x: x[None])
    Loop(module, FirstOnly(), singles, sgd(module, 1e-4)).run(n_epochs=1)
    assert module.first.item() < 1
    assert module.second.item() == 1


# -- callbacks -----------------------------------------------------------------------


def test_after_epoch_stops_and_writes_into_the_history():
    module, modes = TwoHeads(), []

    def after_epoch(loop, record):
        modes.append(module.training)
        record["note"] = record["epoch"] ** 2
        return record["epoch"] == 3

    pairs = numbered_pairs()
    loop = make_loop(
        module, Distance(), pairs, 1e-9, callbacks=[AfterEpoch(after_epoch)]
    )
    history = loop.run(n_epochs=9)
    assert [entry["note"] for entry in history] == [1, 4, 9]
    assert modes == [False] * 3
    assert module.n_batches == 3 * len(pairs)
    assert loop.is_stopped
    assert loop.run(n_epochs=9) == history  # a run that was stopped is over


def test_callbacks_are_told_in_their_order():
    notes = []
    callbacks = [Notes(notes, "a: "), Notes(notes, "b: ")]
    loop = make_loop(
        TwoHeads(), Squares(), numbered_singles(), 1e-9, callbacks=callbacks
    )
    loop.run(n_epochs=2)
    events = ["begin of 2", "before 1", "after 1", "before 2", "after 2", "end"]
    assert notes == [f"{name}: {event}" for event in events for name in "ab"]


def test_all_callbacks_hear_of_the_epoch_in_which_one_stops():
    notes = []
    callbacks = [AfterEpoch(lambda loop, record: True), Notes(notes)]
    loop = make_loop(
        TwoHeads(), Squares(), numbered_singles(), 1e-9, callbacks=callbacks
    )
    loop.run(n_epochs=5)
    assert notes == ["begin of 5", "before 1", "after 1", "end"]


def test_a_callback_that_writes_nothing_does_nothing():
    plain, followed = (
        make_loop(
            TwoHeads(), Squares(), numbered_singles(), 1e-4, callbacks=callbacks
        ).run(n_epochs=3)
        for callbacks in ([], [LoopCallback()])
    )
    assert followed == plain


# -- divergence ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_in_the_first_epoch_is_an_error_with_a_remedy(value):
    objective, notes = Squares(1, value), []
    message = f"{value} in epoch 1 of the toy stage: lower learning_rate"
    settings = {"stage": "toy", "callbacks": [Notes(notes)]}
    loop = make_loop(TwoHeads(), objective, numbered_singles(), 1e-9, **settings)
    with pytest.raises(DivergenceError, match=message):
        loop.run(n_epochs=5)
    assert notes == ["begin of 5", "before 1"]


def test_weights_worth_keeping_are_kept_in_the_first_epoch():
    module = TwoHeads()
    settings = {"stage": "toy", "starts_good": True}
    loop = make_loop(module, Squares(2), numbered_singles(), 1e-4, **settings)
    message = "epoch 1 of the toy stage, .* with the weights it began with: lower"
    with pytest.warns(ConvergenceWarning, match=message):
        assert loop.run(n_epochs=5) == []
    assert torch.equal(module.weight, TwoHeads().weight)
    assert loop.is_stopped


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_later_divergence_leaves_the_weights_of_the_last_good_epoch(value):
    after_two, module, notes = TwoHeads(), TwoHeads(), []
    singles = numbered_singles()
    n_batches = len(singles)
    good = make_loop(after_two, Squares(), singles, 1e-4).run(n_epochs=2)
    message = (
        f"{value} in epoch 3 of the toy stage, which stopped there with the weights of "
        "epoch 2: lower learning_rate"
    )
    objective = Squares(2 * n_batches + 2, value)
    settings = {"stage": "toy", "callbacks": [Notes(notes)]}
    loop = make_loop(module, objective, numbered_singles(), 1e-4, **settings)
    with pytest.warns(ConvergenceWarning, match=message):
        history = loop.run(n_epochs=5)
    assert torch.equal(module.weight, after_two.weight)
    assert [entry["loss"] for entry in history] == [entry["loss"] for entry in good]
    assert not module.training
    assert notes[-3:] == ["after 2", "before 3", "end"]


def test_buffers_are_given_back_too():
    module = nn.Sequential(nn.BatchNorm1d(1), TwoHeads())
    seen = []

    def after_epoch(loop, record):
        seen.append(module[0].running_mean.clone())
        return False

    singles = numbered_singles(batch_size=N_SAMPLES)
    loop = make_loop(
        module, Squares(3), singles, 1e-9, callbacks=[AfterEpoch(after_epoch)]
    )
    with pytest.warns(ConvergenceWarning, match="weights of epoch 2"):
        loop.run(n_epochs=5)
    assert len(seen) == 2
    assert torch.equal(module[0].running_mean, seen[-1])
    assert module[0].num_batches_tracked == 2


def test_what_the_objective_remembers_is_given_back_too():
    class Sum(Squares):
        def __init__(self, broken_call):
            super().__init__(broken_call)
            self.register_buffer("n_seen", torch.tensor(0))

        def remember(self, outputs, targets):
            self.n_seen += len(targets)

    objective = Sum(3)
    loop = make_loop(
        TwoHeads(), objective, numbered_singles(batch_size=N_SAMPLES), 1e-9
    )
    with pytest.warns(ConvergenceWarning, match="weights of epoch 2"):
        loop.run(n_epochs=5)
    assert objective.n_seen == 2 * N_SAMPLES


def test_divergence_ends_the_epoch_at_once():
    module = TwoHeads()
    singles = numbered_singles()
    loop = make_loop(module, Squares(len(singles) + 2), singles, 0.0)
    with pytest.warns(ConvergenceWarning):
        loop.run(n_epochs=5)
    assert module.n_batches == len(singles) + 2 < 2 * len(singles)


def test_weights_may_diverge_where_the_loss_did_not():
    """The step after the last loss of an epoch can be what breaks the weights."""

    class BrokenGradient(Squares):
        def gradient(self, outputs, targets):
            terms, (gradient,) = super().gradient(outputs, targets)
            return terms, (gradient * (torch.inf if self.n_calls == 2 else 1),)

    module = TwoHeads()
    singles = numbered_singles(batch_size=N_SAMPLES)
    loop = make_loop(module, BrokenGradient(), singles, 1e-4)
    with pytest.warns(ConvergenceWarning, match="epoch 2 of the training stage"):
        history = loop.run(n_epochs=5)
    assert len(history) == 1
    assert module.weight.isfinite().all()


# -- randomness ----------------------------------------------------------------------


@contextmanager
def global_rng_untouched():
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


def test_training_leaves_the_global_rng_alone():
    pairs = numbered_pairs(draw_partners=successors)
    with global_rng_untouched():
        make_loop(TwoHeads(), Distance(), pairs, 1e-3).run(n_epochs=2)
