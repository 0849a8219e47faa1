"""Moving averages of weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

__all__ = ["average_weights"]


def average_weights(
    module: nn.Module, optimizer: torch.optim.Optimizer, decay: float
) -> AveragedModel:
    """Return the moving average of a module, which follows each of its steps.

    Parameters
    ----------
    module : nn.Module
        What is trained; the average begins as a copy of it.
    optimizer : torch.optim.Optimizer
        What trains it.
    decay : float in [0, 1)
        The share of itself that the average keeps at every step.

    Returns
    -------
    AveragedModel
        The average, with the statistics of batch norms.
    """
    average = AveragedModel(
        module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
    )
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(module))
    return average
