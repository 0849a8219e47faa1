"""Optimisers with their schedules, by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

OPTIMIZERS = ("adamw", "sgd")

_ADAMW_RATE = 3e-3
_SGD_BATCH = 512


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    *,
    learning_rate: float | str,
    sgd_rate: float,
    weight_decay: float,
    batch_size: int,
    n_steps: int,
) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """Return an optimiser and its schedule, to be stepped after every batch."""
    if name == "sgd":
        rate = learning_rate
        if isinstance(rate, str):
            rate = sgd_rate * batch_size / _SGD_BATCH
        sgd = torch.optim.SGD(
            parameters, rate, momentum=0.9, weight_decay=weight_decay, fused=True
        )
        return sgd, CosineAnnealingLR(sgd, n_steps)
    rate = _ADAMW_RATE if isinstance(learning_rate, str) else learning_rate
    return make_adamw(parameters, rate, weight_decay=weight_decay, n_steps=n_steps)


def make_adamw(
    parameters: Iterable[Any],
    learning_rate: float,
    *,
    weight_decay: float,
    n_steps: int,
) -> tuple[torch.optim.AdamW, LRScheduler]:
    """Return AdamW that warms up for a tenth of the steps and decays along a cosine."""
    adamw = torch.optim.AdamW(
        parameters, learning_rate, weight_decay=weight_decay, fused=True
    )
    # of ten steps the tenth is a warm-up of none, by which torch divides
    schedule = OneCycleLR(
        adamw, learning_rate, total_steps=max(n_steps, 11), pct_start=0.1
    )
    return adamw, schedule
