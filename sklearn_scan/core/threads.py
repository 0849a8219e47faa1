"""The number of threads to compute with: as many as there are free cores.

Threads wait for each other after every matrix product. If another program has one of
their cores, all wait for it: with one busy neighbour on two cores, heads train up to
ten times slower on two threads than on one. So the number is chosen anew for each part
and each epoch, by what other programs use.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import joblib
import psutil
import torch
from threadpoolctl import ThreadpoolController

_SHORTEST = 0.25  # seconds that are looked at: clocks of the system tick every 10 ms
_LONGEST = 5.0  # of a longer time, the last moments count more
_FIRST = 0.1  # where there is nothing to look back on


class _Clock(NamedTuple):
    """Seconds since some time: of the clock, of busy cores, and of this process."""

    at: float
    busy: float
    own: float

    @classmethod
    def read(cls) -> _Clock:
        times = psutil.cpu_times(percpu=True)
        cores = _cores()
        busy = sum(
            sum(core) - core.idle - getattr(core, "iowait", 0.0)
            for number, core in enumerate(times)
            if number in cores
        )
        own = psutil.Process().cpu_times()
        return cls(time.monotonic(), busy, own.user + own.system)


class _Monitor:
    """Tells how many cores other programs leave free."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: _Clock | None = None
        self._free = 1

    def free(self) -> int:
        """Return the number of cores that no other program uses, at least one.

        Where the system does not tell, these are all cores.
        """
        try:
            return self._count()
        except (OSError, NotImplementedError, psutil.Error):
            return len(_cores())

    def _count(self) -> int:
        with self._lock:
            before = self._before
            age = _LONGEST if before is None else time.monotonic() - before.at
            if before is not None and age < _SHORTEST:
                return self._free
            if before is None or age >= _LONGEST:
                before = _Clock.read()
                time.sleep(_FIRST)
            now = _Clock.read()
            others = (now.busy - before.busy - now.own + before.own) / (
                now.at - before.at
            )
            self._free = max(1, round(len(_cores()) - max(0.0, others)))
            self._before = now
            return self._free


class _Limit:
    """The limit of a block on the threads of the thread that runs it."""

    def __init__(self) -> None:
        # joblib knows the quota of a container, and torch what the user has set
        self._most = min(torch.get_num_threads(), joblib.cpu_count())
        # OpenMP's number holds for one thread of Python: no setting of the process
        # changes, as it would by torch.set_num_threads.
        self._pools = ThreadpoolController().select(user_api="openmp")
        self._before = [pool.num_threads for pool in self._pools.lib_controllers]

    def adjust(self) -> None:
        n_threads = min(self._most, _monitor.free()) if self._most > 1 else 1
        for pool in self._pools.lib_controllers:
            pool.set_num_threads(n_threads)

    def lift(self) -> None:
        for pool, before in zip(self._pools.lib_controllers, self._before, strict=True):
            pool.set_num_threads(before)


class _Current(threading.local):
    limit: _Limit | None = None


_monitor = _Monitor()
_current = _Current()
_has_worked = False  # in this process, or before it was forked
_is_forked = False


def _cores() -> set[int]:
    """Return the numbers of the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@contextmanager
def free_threads() -> Iterator[None]:
    """Compute inside the block with as many threads as there are free cores.

    There are never more than torch's own number (`torch.get_num_threads`, which follows
    ``OMP_NUM_THREADS``), and never more than a container's quota. After the block the
    numbers are as before. Other threads of the program keep theirs.
    """
    note_work()
    if _current.limit is not None:  # a block in a block
        _current.limit.adjust()
        yield
        return
    _current.limit = limit = _Limit()
    try:
        limit.adjust()
        yield
    finally:
        # not `limit`: a forked child has one of its own
        last, _current.limit = _current.limit, None
        last.lift()


def adjust_threads() -> None:
    """Look again at how many cores are free, inside a block of `free_threads`."""
    if _current.limit is not None:
        _current.limit.adjust()


def note_work() -> None:
    """Say that the package is about to compute; a forked child does so with one thread.

    Until then the numbers of threads of a child are left alone: most are of programs
    that never use the package there.
    """
    global _has_worked
    if _is_forked and not _has_worked:
        _keep_to_one_thread()
    _has_worked = True


def _keep_to_one_thread() -> None:
    """Compute with one thread in a forked child.

    A fork copies what is known of the threads of a pool, but not the threads. The child
    would wait for them for ever, at its first large product.
    """
    torch.set_num_threads(1)
    for pool in ThreadpoolController().select(user_api="openmp").lib_controllers:
        pool.set_num_threads(1)


def _begin_child() -> None:
    global _monitor, _is_forked
    _monitor = _Monitor()  # another thread of the parent may have held its lock
    _is_forked = True
    if _has_worked:
        _keep_to_one_thread()
    if _current.limit is not None:  # forked inside a block
        _current.limit = _Limit()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_begin_child)
