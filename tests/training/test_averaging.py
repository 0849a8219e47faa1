"""Copies of weights, and moving averages of them."""

import copy

import pytest
import torch
from torch import nn

from sklearn_scan.training.averaging import (
    MovingAverage,
    average_weights,
    copy_weights,
)


@pytest.fixture
def module():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def state(module):
    return {
        name: value.clone()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }


def assert_same(module, expected):
    for name, value in state(module).items():
        torch.testing.assert_close(value, expected[name], msg=name)


def train_a_step(module, optimizer, seed):
    module(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed))).square()[
        :, 0
    ].sum().backward()
    optimizer.step()


def test_a_copy_stays_as_it_was_and_can_be_brought_back(module):
    before = copy.deepcopy(module.state_dict())
    kept = copy_weights(module)
    train_a_step(module, torch.optim.SGD(module.parameters(), 0.1), seed=0)
    assert not torch.equal(module[0].weight, before["0.weight"])
    module.load_state_dict(kept)
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_first_update_takes_the_module_in_as_it_is(module):
    average = MovingAverage(module, 0.9)
    with torch.no_grad():
        module[0].weight.add_(1)
    module[1].running_mean.add_(1)
    average.update(module)
    assert_same(average.module, state(module))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_follows_each_step_with_the_statistics_of_batch_norms(
    module, decay
):
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    average = average_weights(module, optimizer, decay)
    assert_same(average.module, state(module))
    expected = None
    for seed in range(4):
        train_a_step(module, optimizer, seed)
        now = state(module)
        if expected is None:
            expected = now
        expected = {
            name: decay * expected[name] + (1 - decay) * value
            for name, value in now.items()
        }
        assert_same(average.module, expected)
    moved = state(module)["1.running_mean"] - expected["1.running_mean"]
    assert (moved.abs().max() > 1e-4) == (decay > 0)


def test_the_optimizer_does_not_train_the_average(module):
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    average = average_weights(module, optimizer, 0.5)
    train_a_step(module, optimizer, seed=0)
    assert all(parameter.grad is None for parameter in average.parameters())
    trained = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert trained.isdisjoint(map(id, average.parameters()))


def test_integers_are_copied(module):
    average = MovingAverage(module, 0.9)
    for seed in range(3):
        module(torch.randn(8, 3, generator=torch.Generator().manual_seed(seed)))
        average.update(module)
        assert average.module[1].num_batches_tracked == seed + 1


def test_the_decay_may_change_with_the_updates(module):
    asked = []

    def decay(n_updates):
        asked.append(n_updates)
        return n_updates / 4

    average = MovingAverage(module, decay)
    expected = None
    for step in range(4):
        nn.init.constant_(module[0].weight, float(step))
        average.update(module)
        share = step / 4
        expected = share * (expected or 0.0) + (1 - share) * step
        weights = average.module[0].weight
        torch.testing.assert_close(weights, torch.full_like(weights, expected))
    assert asked == [1, 2, 3]  # the first takes the module in as it is


def test_an_average_goes_on_from_its_state(module):
    """With the number of its updates."""
    average = MovingAverage(module, lambda n_updates: 1 / (1 + n_updates))
    for value in (1.0, 2.0, 6.0):
        nn.init.constant_(module[0].weight, value)
        average.update(module)
    again = MovingAverage(module, average.decay)
    again.load_state_dict(copy.deepcopy(average.state_dict()))
    assert again.n_updates == 3
    for each in (average, again):
        nn.init.constant_(module[0].weight, 3.0)
        each.update(module)
    assert_same(again.module, state(average.module))
    # a state of no updates: the next takes the module in as it is
    again.load_state_dict(MovingAverage(module, 0.5).state_dict())
    nn.init.constant_(module[0].weight, 9.0)
    again.update(module)
    assert (again.module[0].weight == 9).all()


def test_an_average_computes_as_its_module(module):
    average = MovingAverage(module, 0.9).eval()
    rows = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(average(rows), module.eval()(rows))
