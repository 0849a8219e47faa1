"""Copies of weights, and moving averages of them."""

import copy

import pytest
import torch
from torch import nn

from sklearn_scan.training.averaging import (
    average_weights,
    copy_weights,
    moving_average,
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
    average = moving_average(module, 0.9)
    with torch.no_grad():
        module[0].weight.add_(1)
    module[1].running_mean.add_(1)
    average.update_parameters(module)
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
