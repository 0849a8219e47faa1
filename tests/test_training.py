"""The loop and the pairs it trains on."""

import math
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from sklearn_scan.exceptions import DivergenceError
from sklearn_scan.objectives import Objective
from sklearn_scan.training import ViewPairs, evaluate, fit_loop

N_SAMPLES = 23


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered_pairs(n_samples=N_SAMPLES, batch_size=5, seed=0, **settings):
    """Return pairs of samples whose value is their index."""
    samples = torch.arange(n_samples, dtype=torch.float32)[:, None]
    return ViewPairs(samples, batch_size, generator=generator(seed), **settings)


def one_pass(pairs):
    """Return the anchors and the partners of a pass, in the order they came."""
    halves = [batch[:, 0].chunk(2) for batch in pairs]
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


class Distance(Objective):
    """The squared distance to a partner one further, and something to add to it."""

    def terms(self, anchor, partner):
        distance = (partner - anchor - 1).square().mean(dim=(1, 2))
        return {"distance": distance, "constant": torch.full_like(distance, 0.25)}


class Broken(Objective):
    """Becomes `value` at the second epoch of one batch each."""

    def __init__(self, value):
        super().__init__()
        self.value = value
        self.n_calls = 0

    def terms(self, anchor, partner):
        self.n_calls += 1
        factor = self.value if self.n_calls == 2 else 1.0
        return {"broken": factor * anchor.square().mean(dim=(1, 2))}


def successors():
    return (torch.arange(N_SAMPLES) + 1) % N_SAMPLES


def sgd(module, learning_rate):
    return torch.optim.SGD(module.parameters(), learning_rate)


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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_names_the_epoch_and_the_remedy(value):
    module, objective = TwoHeads(), Broken(value)
    pairs = numbered_pairs(batch_size=N_SAMPLES)
    message = f"{value} in epoch 2 of the toy stage: lower learning_rate"
    with pytest.raises(DivergenceError, match=message):
        fit_loop(module, objective, pairs, sgd(module, 1e-9), n_epochs=5, stage="toy")
    assert objective.n_calls == 2


def test_a_pass_holds_every_sample_once():
    pairs = numbered_pairs()
    for _ in range(3):
        anchors, partners = one_pass(pairs)
        assert sorted(anchors.tolist()) == list(range(N_SAMPLES))
        assert torch.equal(partners, anchors)


def test_each_pass_is_shuffled_anew():
    pairs = numbered_pairs()
    first, second = (next(one_pass(pairs)) for _ in range(2))
    assert not torch.equal(first, torch.arange(float(N_SAMPLES)))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("n_samples", [1, 4, 10, 11, 14, 29, 100])
@pytest.mark.parametrize("batch_size", [1, 4, 10, 1000])
def test_batch_sizes_differ_by_at_most_one(n_samples, batch_size):
    pairs = numbered_pairs(n_samples, batch_size)
    sizes = [len(batch) // 2 for batch in pairs]
    assert len(sizes) == len(pairs)
    assert sum(sizes) == n_samples
    assert max(sizes) - min(sizes) <= 1
    # as near to what was asked for as whole batches allow
    assert max(sizes) <= max(1.5 * batch_size, 1)


def test_fewer_samples_than_a_batch_are_one_batch():
    (batch,) = numbered_pairs(3, batch_size=100)
    assert len(batch) == 6


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
    ],
)
def test_views_are_applied_to_their_half(views, of_anchors, of_partners):
    plain, _ = one_pass(numbered_pairs())
    anchors, partners = one_pass(numbered_pairs(**views))
    assert torch.equal(anchors, of_anchors * plain)
    assert torch.equal(partners, of_partners * plain)


def test_one_seed_gives_the_same_batches():
    first, again = list(numbered_pairs(seed=1)), list(numbered_pairs(seed=1))
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], next(iter(numbered_pairs(seed=2))))


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
