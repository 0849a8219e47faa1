"""How long training takes: a few steps are timed, and epochs fitted into a budget."""

from __future__ import annotations

import math
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import NamedTuple

import torch

from sklearn_scan.core.device import wait_for
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.training.batches import Batch
from sklearn_scan.training.loop import Loop
from sklearn_scan.training.progressive import ProgressiveResizing

# Timing takes so many seconds at most, and this share of the training, for each size
# of views.
_LONGEST, _SHARE = 2.0, 0.05


class Plan(NamedTuple):
    """How many epochs to make, and how long they will take.

    Attributes
    ----------
    n_epochs : int
        Passes over the images.
    seconds : float
        The time that all of them take.
    """

    n_epochs: int
    seconds: float


def plan_training(
    loop: Loop, n_epochs: int, device: torch.device, max_minutes: float | None = None
) -> Plan:
    """Return how many epochs fit into a budget of time, and how long they will take.

    Parameters
    ----------
    loop : Loop
        One to throw away, since its module is trained. It needs no schedule.
    n_epochs : int
        The most epochs.
    device : torch.device
        Where the loop computes.
    max_minutes : float or None, default=None
        The budget, from now on: the timing is a part of it. None is no limit.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        If there is no time for one epoch.
    """
    budget = math.inf if max_minutes is None else 60 * max_minutes
    start = time.perf_counter()
    pace = _measure(loop, n_epochs, device, budget)
    left = budget - (time.perf_counter() - start)
    possible = range(1, min(n_epochs + 1, sys.maxsize))
    fitting = bisect_right(possible, left, key=pace.seconds)
    if fitting == 0:
        raise ValueError(
            Message(
                "{} is too short for one epoch, which takes about {} minutes: pass a "
                "larger {}, or fewer images.",
                *(Setting("max_minutes", max_minutes), f"{pace.seconds(1) / 60:.2g}"),
                Setting("max_minutes"),
            )
        )
    return Plan(fitting, pace.seconds(fitting))


class _Pace(NamedTuple):
    """The seconds of an epoch, and of one with small views (`ProgressiveResizing`)."""

    of_epoch: float
    of_small: float

    def seconds(self, n_epochs: int) -> float:
        """Return the seconds of a run."""
        n_small = ProgressiveResizing.count_small(n_epochs)
        return n_small * self.of_small + (n_epochs - n_small) * self.of_epoch


def _measure(loop: Loop, n_epochs: int, device: torch.device, budget: float) -> _Pace:
    """Return the seconds of epochs, with views of each size that they may have."""
    before, n_steps = _time_callbacks(loop, device), len(loop.batches)

    def time_epoch() -> float:
        return before + n_steps * _time_step(loop, device, n_epochs * n_steps, budget)

    resizing = next(
        (each for each in loop.callbacks if isinstance(each, ProgressiveResizing)), None
    )
    if resizing is None:
        seconds = time_epoch()
        return _Pace(seconds, seconds)
    resizing.is_small = False
    of_epoch = time_epoch()
    resizing.is_small = True
    return _Pace(of_epoch, of_small=time_epoch())


def _time_callbacks(loop: Loop, device: torch.device) -> float:
    """Return the seconds of what comes before an epoch, such as to cluster images."""
    wait_for(device)
    start = time.perf_counter()
    for callback in loop.callbacks:
        callback.before_epoch(loop)
    wait_for(device)
    return time.perf_counter() - start


def _time_step(
    loop: Loop, device: torch.device, n_planned: int, budget: float
) -> float:
    """Return the seconds of a step, after two that warm up."""
    loop.module.train()
    batches = chain.from_iterable(repeat(loop.batches))
    _time_steps(loop, batches, device, 1)
    rough = _time_steps(loop, batches, device, 1)
    allowed = min(_LONGEST, _SHARE * min(budget, n_planned * rough))
    n_steps = max(1, int(allowed / rough))
    return _time_steps(loop, batches, device, n_steps) / n_steps


def _time_steps(
    loop: Loop, batches: Iterator[Batch], device: torch.device, n_steps: int
) -> float:
    wait_for(device)
    start = time.perf_counter()
    for batch in islice(batches, n_steps):
        loop.step(batch)
    wait_for(device)
    return time.perf_counter() - start
