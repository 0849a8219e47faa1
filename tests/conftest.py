"""Settings for all tests."""

import os
from contextlib import contextmanager

import pytest

# Before SciPy is imported: scikit-learn's array API check is skipped without it.
os.environ["SCIPY_ARRAY_API"] = "1"
# The fits here are small: threads gain little on a quiet machine, and on a busy one
# they wait for each other at every step, which makes the suite ten times as slow.
os.environ["OMP_NUM_THREADS"] = "1"

import torch

torch.set_num_threads(1)

# Folders of tests have files of this name too, and pytest takes one for another where
# it looks for doctests.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]


@pytest.fixture
def limit_files():
    """Return a block in which no file grows beyond some bytes, as on a full disk."""
    resource = pytest.importorskip("resource")  # Windows has no such limits

    @contextmanager
    def limit(n_bytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


class StepClock:
    """A clock on which only steps of training take time: ten, two, then one second."""

    def __init__(self):
        self.now = 0.0
        self.n_steps = 0

    def perf_counter(self):
        return self.now

    def step(self):
        self.n_steps += 1
        self.now += {1: 10, 2: 2}.get(self.n_steps, 1)


@pytest.fixture
def step_clock(monkeypatch):
    """Let the timing of training be by a clock that is the same on all machines."""
    from sklearn_scan.training import pace
    from sklearn_scan.training.loop import Loop

    clock, step = StepClock(), Loop.step

    def timed(loop, batch):
        clock.step()
        return step(loop, batch)

    monkeypatch.setattr(Loop, "step", timed)
    monkeypatch.setattr(pace, "time", clock)
    return clock


@pytest.fixture
def stop_training(monkeypatch):
    """Return a function that stops a fit at its n-th step of training, by Ctrl-C.

    A fit with a checkpoint keeps its state after each step until then.
    """
    from sklearn_scan.training import checkpoints
    from sklearn_scan.training.loop import Loop

    def stop_fit(fit, stop_at=2):
        step, n_steps = Loop.step, []

        def stop(loop, batch):
            n_steps.append(1)
            if len(n_steps) == stop_at:
                raise KeyboardInterrupt
            return step(loop, batch)

        with monkeypatch.context() as patched:
            patched.setattr(checkpoints, "INTERVAL", 0.0)
            patched.setattr(checkpoints, "MOST_COST", float("inf"))
            patched.setattr(Loop, "step", stop)
            with pytest.raises(KeyboardInterrupt):
                fit()

    return stop_fit


@pytest.fixture(scope="module")
def end_workers():
    """End the workers of loky that tests have started: others count processes."""
    from joblib.externals.loky import get_reusable_executor

    yield
    get_reusable_executor().shutdown(wait=True)
