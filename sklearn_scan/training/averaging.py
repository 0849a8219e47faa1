"""Weights that are kept: copies to come back to, and moving averages."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Decay = float | Callable[[int], float]


def copy_weights(module: nn.Module) -> dict[str, Any]:
    """Return a copy of a module's weights and buffers, for its `load_state_dict`."""
    return copy.deepcopy(module.state_dict())


class MovingAverage(nn.Module):
    """A moving average of a module, with the statistics of batch norms.

    The first update takes the module in as it is, and so does each update the integers,
    such as the counts of batch norms. How many updates there were is counted on the
    host: a count on a GPU would make each update wait for the device.

    Parameters
    ----------
    module : nn.Module
        What is averaged. It is copied; the copy needs no gradient.
    decay : float or callable
        The share of itself that the average keeps at an update; a function gets the
        number of updates before.

    Attributes
    ----------
    module : nn.Module
        The average.
    n_updates : int
        How many updates there were.

    Examples
    --------
    >>> layer = nn.Linear(1, 1)
    >>> average = MovingAverage(layer, decay=0.9)
    >>> for value in (0.0, 1.0):
    ...     _ = nn.init.constant_(layer.weight, value)
    ...     average.update(layer)
    >>> round(average.module.weight.item(), 2)
    0.1
    """

    def __init__(self, module: nn.Module, decay: Decay) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay = decay
        self.n_updates = 0

    def forward(self, *inputs: Any) -> Any:
        """Return the outputs of the average."""
        return self.module(*inputs)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take a module in."""
        pairs = [*zip(_tensors(self.module), _tensors(module), strict=True)]
        is_first = self.n_updates == 0
        averaged = [p for p in pairs if p[0].is_floating_point() and not is_first]
        for own, other in pairs:
            if is_first or not own.is_floating_point():
                own.copy_(other)
        if averaged:
            owns, others = zip(*averaged, strict=True)
            torch._foreach_lerp_(owns, others, 1 - self._current_decay)
        self.n_updates += 1

    @property
    def _current_decay(self) -> float:
        decay = self.decay
        return decay(self.n_updates) if callable(decay) else decay

    def get_extra_state(self) -> Tensor:
        """Return the number of updates, a part of `state_dict`."""
        return torch.tensor(self.n_updates)

    def set_extra_state(self, state: Tensor) -> None:
        """Go on from a number of updates."""
        self.n_updates = int(state)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def average_weights(
    module: nn.Module, optimizer: torch.optim.Optimizer, decay: Decay
) -> MovingAverage:
    """Return the moving average of a module, which follows each step of an optimizer.

    The loop keeps it, and brings it back, where the module that is trained holds it.
    """
    average = MovingAverage(module, decay)
    optimizer.register_step_post_hook(lambda *_: average.update(module))
    return average
