"""Weights that are kept: copies to come back to, and moving averages."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def copy_weights(module: nn.Module) -> dict[str, Any]:
    """Return a copy of a module's weights and buffers, for its `load_state_dict`."""
    return copy.deepcopy(module.state_dict())


def moving_average(module: nn.Module, decay: float) -> AveragedModel:
    """Return a moving average of a module, with the statistics of batch norms.

    Its `update_parameters(module)` takes the module in: the first time as it is.
    """
    return AveragedModel(
        module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
    )


def average_weights(
    module: nn.Module, optimizer: torch.optim.Optimizer, decay: float
) -> AveragedModel:
    """Return the moving average of a module, which follows each step of an optimizer.

    The loop keeps it, and brings it back, where the module that is trained holds it.
    """
    average = moving_average(module, decay)
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(module))
    return average
