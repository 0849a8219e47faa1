"""Optimisers and the course of their learning rates."""

import math

import pytest
import torch
from torch import nn

from sklearn_scan.training.muon import Muon
from sklearn_scan.training.optimizers import OPTIMIZERS, make_adamw, make_optimizer


def make(
    name,
    n_steps=100,
    learning_rate="auto",
    batch_size=512,
    weight_decay=1e-4,
    n_batches=1,
):
    return make_optimizer(
        name,
        nn.Linear(2, 2).parameters(),
        learning_rate=learning_rate,
        sgd_rate=0.4,
        weight_decay=weight_decay,
        batch_size=batch_size,
        n_epochs=n_steps // n_batches,
        n_batches=n_batches,
    )


def rates(name, n_steps, **settings):
    """Return the rate of each step, and that after the last one."""
    optimizer, schedule = make(name, n_steps, **settings)
    seen = []
    for _ in range(n_steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen, optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("n_steps", [11, 100, 1000])
def test_rates_end_near_zero(name, n_steps):
    seen, _ = rates(name, n_steps, learning_rate=0.2)
    assert max(seen) == pytest.approx(0.2, rel=0.05)
    assert 0 <= seen[-1] < 0.05 * max(seen)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("n_steps", range(1, 13))
def test_any_number_of_steps_has_a_rate_above_zero(name, n_steps):
    seen, after = rates(name, n_steps, learning_rate=0.2)
    assert all(0 < rate <= 0.2 + 1e-12 for rate in seen[:-1])
    assert after >= 0


def test_adamw_warms_up_for_a_tenth_of_the_steps():
    seen, _ = rates("adamw", 200, learning_rate=0.1)
    peak = seen.index(max(seen))
    assert peak in (19, 20)
    assert seen[: peak + 1] == sorted(seen[: peak + 1])
    assert seen[peak:] == sorted(seen[peak:], reverse=True)
    assert seen[0] < 0.1 / 10


@pytest.mark.parametrize(
    ("n_steps", "n_batches", "n_warm"),
    [(9, 1, 0), (50, 1, 5), (50, 10, 5), (100, 1, 10), (400, 2, 20), (900, 3, 30)],
)
def test_sgd_warms_up_along_a_line_and_decays_along_a_cosine(
    n_steps, n_batches, n_warm
):
    """For a tenth of the steps, up to ten epochs."""
    seen, after = rates("sgd", n_steps, learning_rate=0.1, n_batches=n_batches)
    line = [0.1 * (step + 1) / (n_warm + 1) for step in range(n_warm)]
    n_left = n_steps - n_warm
    cosine = [0.05 * (1 + math.cos(math.pi * step / n_left)) for step in range(n_left)]
    assert seen == pytest.approx(line + cosine)
    assert after == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("batch_size", "rate"), [(512, 0.4), (128, 0.1), (2, 0.4 / 256)]
)
def test_automatic_rate_of_sgd_is_in_proportion_to_the_batch(batch_size, rate):
    (group,) = make("sgd", batch_size=batch_size)[0].param_groups
    assert group["initial_lr"] == pytest.approx(rate)
    assert group["momentum"] == 0.9
    assert not group["nesterov"]


@pytest.mark.parametrize("batch_size", [2, 512])
def test_automatic_rate_of_adamw(batch_size):
    seen, _ = rates("adamw", 1000, batch_size=batch_size)
    assert max(seen) == pytest.approx(3e-3, rel=1e-3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_settings_arrive(name):
    optimizer, _ = make(name, weight_decay=0.3)
    kinds = {"muon": Muon, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    assert type(optimizer) is kinds[name]
    assert optimizer.param_groups[0]["weight_decay"] == 0.3


def test_a_group_may_have_a_weight_decay_of_its_own():
    layer = nn.Linear(2, 2)
    groups = [{"params": [layer.weight]}, {"params": [layer.bias], "weight_decay": 0.0}]
    adamw, _ = make_adamw(groups, 0.1, weight_decay=1e-4, n_steps=20)
    assert [group["weight_decay"] for group in adamw.param_groups] == [1e-4, 0.0]
