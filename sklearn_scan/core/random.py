"""Random numbers: seeds, and torch's generators."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor

RandomState = int | np.random.RandomState | None


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator on `device` that starts at `seed`."""
    return torch.Generator(device).manual_seed(seed)


class _Turns:
    """A lock that goes to those who wait for it in the order in which they came."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[object] = []  # the first one has the turn

    def take(self) -> None:
        """Wait for the turn."""
        place = object()
        with self._changed:
            self._queue.append(place)
            try:
                self._changed.wait_for(lambda: self._queue[0] is place)
            except BaseException:  # Ctrl-C
                self._queue.remove(place)
                self._changed.notify_all()
                raise

    def end(self) -> None:
        """Give the turn to the next one."""
        with self._changed:
            del self._queue[0]
            self._changed.notify_all()

    @property
    def are_wanted(self) -> bool:
        """Whether others wait."""
        return len(self._queue) > 1


class _Current(threading.local):
    devices: tuple[torch.device, ...] = ()  # of the blocks that the thread is in
    turn: ExitStack  # of the outer block


# One for all devices, because each block seeds the CPU's generator too.
_turns = _Turns()
_current = _Current()


@contextmanager
def isolated_rng(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators inside the block, and restore them after it.

    The generators belong to all threads, so blocks in several threads take turns; a
    long block calls `let_others_draw`. A block in a block of the same thread runs at
    once.
    """
    device, around = torch.device(device), _current.devices
    if around:
        with _restored(device):
            yield from _seeded(seed, (*around, device))
        return
    _current.turn = _begin_turn(device)
    try:
        yield from _seeded(seed, (device,))
    finally:
        _current.turn.close()


def _seeded(seed: int, devices: tuple[torch.device, ...]) -> Iterator[None]:
    """Seed the generators of the CPU and of the last of some devices; wait there."""
    around, _current.devices = _current.devices, devices
    try:
        if devices[-1].type == "cpu":
            # torch.manual_seed would seed the devices too
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        yield
    finally:
        _current.devices = around


def let_others_draw() -> None:
    """Let the blocks of other threads run that wait for the block of this one.

    The states of the generators are those of this block again afterwards. In a block
    in a block it does nothing.
    """
    if len(_current.devices) != 1 or not _turns.are_wanted:
        return
    (device,) = _current.devices
    own = random_state(device)
    _current.turn.close()
    _current.turn = _begin_turn(device)
    set_random_state(own, device)


def _begin_turn(device: torch.device) -> ExitStack:
    """Wait for the turn; return what restores the generators and ends it."""
    _turns.take()
    turn = ExitStack()
    turn.callback(lambda: _turns.end())  # of a forked child: its own
    turn.enter_context(_restored(device))
    return turn


def _restored(device: torch.device) -> AbstractContextManager[None]:
    """Restore the generators of the CPU and of a device after the block."""
    if device.type == "cuda":
        torch.cuda.current_device()  # starts CUDA: before, there is no state
    devices = [] if device.type == "cpu" else [device]
    return torch.random.fork_rng(devices=devices, device_type=device.type)


def _forget_turns() -> None:
    """Let a forked child begin: a thread that it does not have may hold the turn."""
    global _turns
    _turns = _Turns()
    if _current.devices:  # forked inside a block
        _turns.take()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget_turns)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's global generators, on the CPU and on a device."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Let torch's global generators go on from a state."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
    if "mps" in state and device.type == "mps":
        torch.mps.set_rng_state(state["mps"].cpu())
