"""Generators start at their seeds; random states are left as they were."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sklearn_scan.core.random import isolated_rng, let_others_draw, make_generator


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


def draw_in_steps(seed):
    draws = []
    with isolated_rng(seed):
        for _ in range(20):
            draws.append(torch.rand(1).item())
            let_others_draw()
    return draws


def test_a_block_that_lets_others_draw_goes_on_as_if_it_were_alone():
    before = torch.get_rng_state()
    alone = draw_in_steps(0), draw_in_steps(1)
    with ThreadPoolExecutor(1) as pool, isolated_rng(0):
        draws = [torch.rand(1).item() for _ in range(10)]
        other = pool.submit(draw_in_steps, 1)
        while not other.done():  # it ends while this block is not over
            let_others_draw()
        draws += [torch.rand(1).item() for _ in range(10)]
    assert (draws, other.result()) == alone
    assert torch.equal(torch.get_rng_state(), before)


def test_two_long_blocks_take_turns():
    before = torch.get_rng_state()
    alone = [draw_in_steps(seed) for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        meeting = threading.Barrier(3)

        def draw(seed):
            meeting.wait(timeout=60)
            return draw_in_steps(seed)

        assert list(pool.map(draw, range(3))) == alone
    assert torch.equal(torch.get_rng_state(), before)


def test_a_block_inside_another_one_keeps_the_turn():
    with isolated_rng(0), ThreadPoolExecutor(1) as pool:
        with isolated_rng(1):
            waiting = pool.submit(draw_in_steps, 2)
            let_others_draw()
            assert not waiting.done()
        while not waiting.done():
            let_others_draw()
    assert waiting.result() == draw_in_steps(2)


def test_an_error_as_one_waits_for_the_turn_lets_the_others_go_on(monkeypatch):
    held, over = threading.Event(), threading.Event()

    def hold():
        with isolated_rng(0):
            held.set()
            over.wait(timeout=60)

    def interrupt(*_):
        raise KeyboardInterrupt

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(timeout=60)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Condition.wait_for", interrupt)
        with pytest.raises(KeyboardInterrupt), isolated_rng(1):
            pass
    over.set()
    thread.join()
    assert draw_in_steps(0)
