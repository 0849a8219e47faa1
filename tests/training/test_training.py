"""The loop and the batches it trains on."""

import math
from contextlib import contextmanager

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_scan.exceptions import DivergenceError
from sklearn_scan.training.loop import SingleViews, ViewPairs, evaluate, fit_loop
from sklearn_scan.training.objectives import Objective, PairObjective

N_SAMPLES = 23
CPU = torch.device("cpu")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(n_samples=N_SAMPLES):
    """Return samples whose value is their index."""
    return torch.arange(n_samples, dtype=torch.float32)[:, None]


def numbered_pairs(n_samples=N_SAMPLES, batch_size=5, seed=0, **settings):
    """Return pairs of samples whose value is their index."""
    return ViewPairs(
        numbers(n_samples), batch_size, generator=generator(seed), **settings
    )


def numbered_singles(n_samples=N_SAMPLES, batch_size=5, seed=0, view=torch.clone):
    return SingleViews(
        numbers(n_samples),
        batch_size,
        generator=generator(seed),
        view=view,
        device=CPU,
    )


def one_pass(pairs):
    """Return the anchors and the partners of a pass, in the order they came."""
    halves = [batch.views[:, 0].chunk(2) for batch in pairs]
    return (torch.cat(half) for half in zip(*halves, strict=True))


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
        return {"squares": factor * outputs.square().mean(dim=(1, 2))}


def successors():
    return (torch.arange(N_SAMPLES) + 1) % N_SAMPLES


def sgd(module, learning_rate):
    return torch.optim.SGD(module.parameters(), learning_rate)


# -- the loop ------------------------------------------------------------------------


def test_fit_loop_lowers_the_loss():
    module = TwoHeads()
    # each of 23 samples after the next: the best weight is near zero, not three
    pairs = numbered_pairs(draw_partners=successors)
    history = fit_loop(module, Distance(), pairs, sgd(module, 1e-3), n_epochs=20)
    assert history[-1]["loss"] < history[0]["loss"] / 10
    assert not module.training


def test_history_holds_means_over_heads_and_batches():
    module = TwoHeads()
    pairs = numbered_pairs(20, batch_size=5, partner_view=lambda x: x + 2)
    history = fit_loop(
        module, Distance(), pairs, sgd(module, 0.0), n_epochs=2, stage="toy"
    )
    # weights 3 and 6: the partner is 6 or 12 further instead of 1
    distance = (5**2 + 11**2) / 2
    terms = {"loss": distance + 0.25, "distance": distance, "constant": 0.25}
    assert [entry.pop("stage") for entry in history] == ["toy", "toy"]
    assert [entry.pop("epoch") for entry in history] == [1, 2]
    assert history == [pytest.approx(terms), pytest.approx(terms)]


def test_no_epochs_leave_no_history():
    module = TwoHeads()
    pairs = numbered_pairs()
    assert fit_loop(module, Distance(), pairs, sgd(module, 1.0), n_epochs=0) == []
    assert module.n_batches == 0


def test_evaluate_returns_the_loss_of_each_head():
    module = TwoHeads()
    pairs = numbered_pairs(partner_view=lambda x: x + 2)
    losses = evaluate(module, Distance(), pairs, n_passes=3)
    torch.testing.assert_close(losses, torch.tensor([25.25, 121.25]))
    assert not losses.requires_grad
    assert module.n_batches == 3 * len(pairs)


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
    fit_loop(
        module,
        Distance(),
        pairs,
        optimizer,
        n_epochs=2,
        scheduler=scheduler,
        autocast=Autocast(),
    )
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
    fit_loop(module, Watch(), singles, sgd(module, 0.0), n_epochs=2)
    assert len(seen) == 2 * len(singles)
    for outputs, targets in seen:
        assert torch.equal(outputs[0, :, 0], targets.float())


def test_after_epoch_stops_and_writes_into_the_history():
    module, modes = TwoHeads(), []

    def after_epoch(record):
        modes.append(module.training)
        record["note"] = record["epoch"] ** 2
        return record["epoch"] == 3

    pairs = numbered_pairs()
    history = fit_loop(
        module,
        Distance(),
        pairs,
        sgd(module, 1e-9),
        n_epochs=9,
        after_epoch=after_epoch,
    )
    assert [entry["note"] for entry in history] == [1, 4, 9]
    assert modes == [False] * 3
    assert module.n_batches == 3 * len(pairs)


# -- divergence ----------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_in_the_first_epoch_is_an_error_with_a_remedy(value):
    module, objective = TwoHeads(), Squares(1, value)
    message = f"{value} in epoch 1 of the toy stage: lower learning_rate"
    with pytest.raises(DivergenceError, match=message):
        fit_loop(
            module,
            objective,
            numbered_singles(),
            sgd(module, 1e-9),
            n_epochs=5,
            stage="toy",
        )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_later_divergence_leaves_the_weights_of_the_last_good_epoch(value):
    after_two, module = TwoHeads(), TwoHeads()
    singles = numbered_singles()
    n_batches = len(singles)
    good = fit_loop(after_two, Squares(), singles, sgd(after_two, 1e-4), n_epochs=2)
    message = (
        f"{value} in epoch 3 of the toy stage, which stopped there with the weights of "
        "epoch 2: lower learning_rate"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        history = fit_loop(
            module,
            Squares(2 * n_batches + 2, value),
            numbered_singles(),
            sgd(module, 1e-4),
            n_epochs=5,
            stage="toy",
        )
    assert torch.equal(module.weight, after_two.weight)
    assert [entry["loss"] for entry in history] == [entry["loss"] for entry in good]
    assert not module.training


def test_buffers_are_given_back_too():
    module = nn.Sequential(nn.BatchNorm1d(1), TwoHeads())
    seen = []

    def after_epoch(record):
        seen.append(module[0].running_mean.clone())
        return False

    singles = numbered_singles(batch_size=N_SAMPLES)
    with pytest.warns(ConvergenceWarning, match="weights of epoch 2"):
        fit_loop(
            module,
            Squares(3),
            singles,
            sgd(module, 1e-9),
            n_epochs=5,
            after_epoch=after_epoch,
        )
    assert len(seen) == 2
    assert torch.equal(module[0].running_mean, seen[-1])
    assert module[0].num_batches_tracked == 2


def test_divergence_ends_the_epoch_at_once():
    module = TwoHeads()
    singles = numbered_singles()
    with pytest.warns(ConvergenceWarning):
        fit_loop(
            module, Squares(len(singles) + 2), singles, sgd(module, 0.0), n_epochs=5
        )
    assert module.n_batches == len(singles) + 2 < 2 * len(singles)


def test_weights_may_diverge_where_the_loss_did_not():
    """The step after the last loss of an epoch can be what breaks the weights."""

    class BrokenGradient(Squares):
        def value_and_gradient(self, outputs, targets):
            terms, gradient = super().value_and_gradient(outputs, targets)
            return terms, gradient * (torch.inf if self.n_calls == 2 else 1)

    module = TwoHeads()
    singles = numbered_singles(batch_size=N_SAMPLES)
    with pytest.warns(ConvergenceWarning, match="epoch 2 of the training stage"):
        history = fit_loop(
            module, BrokenGradient(), singles, sgd(module, 1e-4), n_epochs=5
        )
    assert len(history) == 1
    assert module.weight.isfinite().all()


# -- batches -------------------------------------------------------------------------

SOURCES = [numbered_singles, numbered_pairs]


def test_a_pass_of_pairs_holds_every_sample_once():
    pairs = numbered_pairs()
    for _ in range(3):
        anchors, partners = one_pass(pairs)
        assert sorted(anchors.tolist()) == list(range(N_SAMPLES))
        assert torch.equal(partners, anchors)


def test_a_pass_of_single_views_holds_every_sample_once():
    singles = numbered_singles()
    for _ in range(3):
        views = torch.cat([batch.views for batch in singles])
        assert sorted(views[:, 0].tolist()) == list(range(N_SAMPLES))


@pytest.mark.parametrize("source", SOURCES)
def test_each_pass_is_shuffled_anew(source):
    batches = source()
    first, second = (torch.cat([batch.targets for batch in batches]) for _ in "ab")
    assert not torch.equal(first, torch.arange(N_SAMPLES))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("n_samples", [1, 4, 10, 11, 14, 29, 100])
@pytest.mark.parametrize("batch_size", [1, 4, 10, 1000])
@pytest.mark.parametrize("source", SOURCES)
def test_batch_sizes_differ_by_at_most_one(source, n_samples, batch_size):
    batches = source(n_samples, batch_size)
    sizes = [len(batch.targets) for batch in batches]
    assert len(sizes) == len(batches)
    assert sum(sizes) == n_samples
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size
    # no more batches than that needs
    assert len(sizes) == math.ceil(n_samples / batch_size)


def test_fewer_samples_than_a_batch_are_one_batch():
    (batch,) = numbered_pairs(3, batch_size=100)
    assert len(batch.views) == 6
    (batch,) = numbered_singles(3, batch_size=100)
    assert len(batch.views) == 3


@pytest.mark.parametrize("source", SOURCES)
def test_targets_are_the_places_of_the_samples(source):
    for views, targets in source():
        assert targets.dtype == torch.int64
        assert torch.equal(views[: len(targets), 0], targets.float())


def test_a_single_view_may_make_several_of_a_sample():
    singles = numbered_singles(view=lambda x: torch.cat([x, -x]))
    for views, targets in singles:
        assert torch.equal(views[:, 0], torch.cat([targets, -targets]).float())


def test_partners_follow_a_draw_made_anew_each_pass():
    shifts = iter([1, 2])

    def draw_partners():
        return (torch.arange(N_SAMPLES) + next(shifts)) % N_SAMPLES

    pairs = numbered_pairs(draw_partners=draw_partners)
    for shift in (1, 2):
        anchors, partners = one_pass(pairs)
        assert torch.equal(partners, (anchors + shift) % N_SAMPLES)


@pytest.mark.parametrize(
    ("views", "of_anchors", "of_partners"),
    [
        ({"anchor_view": torch.neg}, -1, 1),
        ({"partner_view": torch.neg}, 1, -1),
        ({"anchor_view": lambda x: 3 * x, "partner_view": torch.neg}, 3, -1),
        ({"anchor_view": torch.neg, "partner_view": torch.neg}, -1, -1),
    ],
)
def test_views_are_applied_to_their_half(views, of_anchors, of_partners):
    plain, _ = one_pass(numbered_pairs())
    anchors, partners = one_pass(numbered_pairs(**views))
    assert torch.equal(anchors, of_anchors * plain)
    assert torch.equal(partners, of_partners * plain)


@pytest.mark.parametrize("source", SOURCES)
def test_one_seed_gives_the_same_batches(source):
    first, again = ([batch.views for batch in source(seed=1)] for _ in "ab")
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], next(iter(source(seed=2))).views)


@contextmanager
def global_rng_untouched():
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


def test_training_leaves_the_global_rng_alone():
    module = TwoHeads()
    pairs = numbered_pairs(draw_partners=successors)
    with global_rng_untouched():
        fit_loop(module, Distance(), pairs, sgd(module, 1e-3), n_epochs=2)
