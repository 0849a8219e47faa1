"""The start of a command: its time, and what is shown while PyTorch is loaded."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_NOTE = "Loading PyTorch ..."
_start = time.perf_counter()


def note_start() -> None:
    """Begin to count the time of a command."""
    global _start
    _start = time.perf_counter()


def seconds_since_start() -> float:
    """Return the time since the command was called, with that of loading."""
    return round(time.perf_counter() - _start, 2)


@contextmanager
def loading(*, quiet: bool) -> Iterator[None]:
    """Tell people at a terminal that the block, which takes seconds, loads PyTorch."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    print(_NOTE, end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print(f"\r{' ' * len(_NOTE)}\r", end="", file=sys.stderr, flush=True)
