"""As many threads are used as cores are free, and settings are as before."""

import os
import subprocess
import sys
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

import joblib
import psutil
import pytest
import torch

from sklearn_scan import SCANClusterer
from sklearn_scan.core import threads
from sklearn_scan.core.threads import adjust_threads, free_threads

N_CORES = 4
Core = namedtuple("Core", ["user", "idle"])


@pytest.fixture
def machine(monkeypatch):
    """Stand for a machine of four cores; return how to use some of them."""
    busy, clock = [0.0] * N_CORES, [100.0]

    def use(*shares):
        """Let one second pass, in which each core was busy for a share of it."""
        clock[0] += 1
        for i, share in enumerate(shares):
            busy[i] += share

    def cpu_times(percpu):
        assert percpu
        return [Core(user, clock[0] - user) for user in busy]

    monkeypatch.setattr(psutil, "cpu_times", cpu_times)
    monkeypatch.setattr(threads.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(threads.time, "sleep", lambda _: use(*used))
    monkeypatch.setattr(threads, "_cores", lambda: set(range(N_CORES)))
    monkeypatch.setattr(threads, "_monitor", threads._Monitor())
    monkeypatch.setattr(joblib, "cpu_count", lambda: N_CORES)
    used = [0.0] * N_CORES
    before = torch.get_num_threads()
    torch.set_num_threads(N_CORES)
    yield lambda *shares: (used.__setitem__(slice(None), shares), use(*shares))
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((0, 0, 0, 0), 4),
        ((1, 0, 0, 0), 3),
        ((0.2, 0.1, 0, 0), 4),
        ((1, 1, 0.9, 0), 1),
        ((1, 1, 1, 1), 1),
    ],
)
def test_threads_are_as_many_as_the_cores_that_others_leave(machine, shares, expected):
    machine(*shares)
    with free_threads():
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == N_CORES


@pytest.mark.parametrize("error", [PermissionError, NotImplementedError, psutil.Error])
def test_where_the_system_tells_nothing_all_cores_count(machine, monkeypatch, error):
    def refuse(percpu):
        raise error

    machine(1, 1, 0, 0)
    monkeypatch.setattr(psutil, "cpu_times", refuse)
    with free_threads():
        assert torch.get_num_threads() == N_CORES


def test_the_number_follows_the_neighbours_inside_the_block(machine):
    machine(0, 0, 0, 0)
    with free_threads():
        assert torch.get_num_threads() == 4
        machine(1, 1, 0, 0)
        adjust_threads()
        assert torch.get_num_threads() == 2
        machine(0, 0, 0, 0)
        with free_threads():
            assert torch.get_num_threads() == 4


def test_a_quota_and_the_users_own_number_are_never_exceeded(machine, monkeypatch):
    machine(0, 0, 0, 0)
    torch.set_num_threads(3)
    with free_threads():
        assert torch.get_num_threads() == 3
    monkeypatch.setattr(joblib, "cpu_count", lambda: 2)
    with free_threads():
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 3


def test_settings_are_as_before_after_an_error(machine):
    machine(1, 1, 1, 0)
    with pytest.raises(KeyError), free_threads():
        raise KeyError
    assert torch.get_num_threads() == N_CORES


def test_other_threads_of_the_program_keep_their_number(machine):
    machine(1, 1, 1, 0)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(torch.set_num_threads, N_CORES).result()
        with free_threads():
            assert torch.get_num_threads() == 1
            assert pool.submit(torch.get_num_threads).result() == N_CORES


def test_two_blocks_in_two_threads_do_not_disturb_each_other(machine):
    machine(1, 1, 0, 0)
    first_is_in, second_is_out = threading.Event(), threading.Event()

    def first():
        torch.set_num_threads(N_CORES)
        with free_threads():
            first_is_in.set()
            assert second_is_out.wait(10)
        return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(first)
        assert first_is_in.wait(10)
        with free_threads():
            pass
        second_is_out.set()
        assert ended.result() == N_CORES
    assert torch.get_num_threads() == N_CORES


def test_a_fit_leaves_the_number_of_threads_alone(machine):
    machine(1, 1, 1, 0)
    X = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)).numpy()
    SCANClusterer(2, max_epochs=1, self_label_epochs=0, random_state=0).fit(X)
    assert torch.get_num_threads() == N_CORES


IN_CHILDREN = """
import os
import numpy as np
import torch
from sklearn_scan.neighbors import mine_neighbors

def in_child(work):
    if os.fork() == 0:
        work()
        print(torch.get_num_threads(), flush=True)
        os._exit(0)
    os.wait()

def mine():
    mine_neighbors(np.eye(5, dtype=np.float32), 2)

in_child(lambda: None)
in_child(mine)
mine()
in_child(lambda: None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
def test_a_forked_child_has_one_thread_only_if_the_package_computes():
    done = subprocess.run(
        [sys.executable, "-c", IN_CHILDREN],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        timeout=100,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["2", "1", "1"], done.stderr
