"""Optimisers with their schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from sklearn_scan.training.muon import Muon

OPTIMIZERS = ("muon", "adamw", "sgd")

_MUON_RATE, _ADAMW_RATE = 1e-2, 3e-3
_SGD_BATCH = 512
# SGD warms up for this share of the steps, within this number of epochs.
_WARM_UP, _MOST_WARM_UP = 0.1, 10


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    *,
    learning_rate: float | str,
    sgd_rate: float,
    weight_decay: float,
    batch_size: int,
    n_epochs: int,
    n_batches: int,
) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """Return an optimiser and its schedule, to be stepped after every batch.

    An epoch has `n_batches`. SGD warms up along a line for a tenth of the steps, up to
    10 epochs, as in the papers of SimCLR and BYOL; then it decays along a cosine.
    """
    n_steps = n_epochs * n_batches
    automatic = {
        "muon": _MUON_RATE,
        "adamw": _ADAMW_RATE,
        "sgd": sgd_rate * batch_size / _SGD_BATCH,
    }
    rate = automatic[name] if isinstance(learning_rate, str) else learning_rate
    if name == "sgd":
        sgd = torch.optim.SGD(
            parameters, rate, momentum=0.9, weight_decay=weight_decay, fused=True
        )
        n_warm = min(int(_WARM_UP * n_steps), _MOST_WARM_UP * n_batches)
        return sgd, LambdaLR(sgd, partial(_warm_cosine, n_warm=n_warm, n_steps=n_steps))
    if name == "muon":
        muon = Muon(parameters, rate, weight_decay=weight_decay)
        return muon, _one_cycle(muon, rate, n_steps)
    return make_adamw(parameters, rate, weight_decay=weight_decay, n_steps=n_steps)


def _warm_cosine(step: int, *, n_warm: int, n_steps: int) -> float:
    """Return the share of the highest rate: up along a line, down along a cosine."""
    if step < n_warm:
        return (step + 1) / (n_warm + 1)
    return (1 + math.cos(math.pi * (step - n_warm) / (n_steps - n_warm))) / 2


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
    return adamw, _one_cycle(adamw, learning_rate, n_steps)


def _one_cycle(
    optimizer: torch.optim.Optimizer, learning_rate: float, n_steps: int
) -> OneCycleLR:
    # of ten steps the tenth is a warm-up of none, by which torch divides
    return OneCycleLR(
        optimizer, learning_rate, total_steps=max(n_steps, 11), pct_start=0.1
    )
