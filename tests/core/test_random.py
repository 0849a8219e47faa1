"""Generators start at their seeds; random states are left as they were."""

import random

import numpy as np
import pytest
import torch

from sklearn_scan.core.random import isolated_rng, make_generator


def test_make_generator_starts_at_its_seed():
    first, again, other = (
        torch.rand(5, generator=make_generator(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_isolated_rng_is_reproducible():
    draws = []
    for seed in (1, 1, 2):
        torch.rand(3)
        with isolated_rng(seed):
            draws.append(torch.rand(5))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def global_states():
    return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1:]  # noqa: NPY002


def test_isolated_rng_leaves_the_global_states_alone():
    before = global_states()
    with isolated_rng(0):
        torch.rand(5)
    after = global_states()
    assert after[:2] == before[:2]
    assert all(map(np.array_equal, after[2], before[2]))


def test_isolated_rng_puts_the_state_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="shape"), isolated_rng(0):
        torch.rand(5).view(2)
    assert torch.equal(torch.get_rng_state(), before)
