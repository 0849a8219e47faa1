"""Checkpoints of a training loop: its state, kept at intervals of time."""

from __future__ import annotations

import time
from typing import Any

from sklearn_scan.core.checkpoint import Checkpoint
from sklearn_scan.core.ranks import of_first
from sklearn_scan.training.loop import Loop, LoopCallback, Record

INTERVAL = 15.0  # seconds of work that a kill costs at most, and one save
MOST_COST = 0.02  # the share of the time that saving may take: large states wait


class KeepLoop(LoopCallback):
    """Keeps the state of a loop in a checkpoint; the last of the loop's callbacks.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where.
    name : str
        The name of the entry.
    draws : bool, default=True
        Whether the loop draws from torch's global generators, whose state is kept too.
    """

    def __init__(
        self, checkpoint: Checkpoint, name: str, *, draws: bool = True
    ) -> None:
        self._checkpoint = checkpoint
        self._name = name
        self._draws = draws
        self._next = 0.0

    def begin(self, loop: Loop) -> None:
        """Begin to count the time."""
        self._next = time.monotonic() + INTERVAL

    def after_step(self, loop: Loop) -> None:
        """Keep the state, if it is time."""
        if time.monotonic() >= self._next:
            self.keep(loop)

    def after_epoch(self, loop: Loop, record: Record) -> bool:
        """Keep the state, if it is time."""
        self.after_step(loop)
        return False

    def latest(self) -> dict[str, Any] | None:
        """Return the state that was kept; None if none was."""
        if self._name not in self._checkpoint:
            return None
        state: dict[str, Any] = self._checkpoint.get(self._name)
        return state

    def keep(self, loop: Loop) -> None:
        """Keep the state now."""
        start = time.monotonic()
        state = loop.state_dict()
        if not self._draws:
            state["random"] = None
        self._checkpoint.put({self._name: state})
        now = time.monotonic()
        self._next = now + max(INTERVAL, (now - start) / MOST_COST)


def resume(
    loop: Loop, checkpoint: Checkpoint | None, name: str, *, draws: bool = True
) -> KeepLoop | None:
    """Let a loop, made as the one that was kept, go on from its state.

    Of several processes, that of rank 0 has the checkpoint, and all get its state.

    Returns
    -------
    KeepLoop or None
        What keeps the state from now on; None without a checkpoint.
    """
    keeper = None
    if checkpoint is not None:
        keeper = KeepLoop(checkpoint, name, draws=draws)
    state = of_first(None if keeper is None else keeper.latest())
    # with the same callbacks in all processes, of which the state tells
    loop.callbacks.append(LoopCallback() if keeper is None else keeper)
    if state is not None:
        loop.load_state_dict(state)
    return keeper
