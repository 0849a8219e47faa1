"""What a pretext trains, and what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklearn_scan.training.batches import BatchSource, View
from sklearn_scan.training.loop import LoopCallback
from sklearn_scan.training.objectives import Objective


class Task(NamedTuple):
    """What a pretext trains.

    Attributes
    ----------
    module : nn.Module
        The backbone, and what the task adds to it.
    objective : Objective
        The loss of its outputs.
    batches : BatchSource
        The batches that it is trained on.
    callbacks : sequence of LoopCallback, default=()
        Told of each epoch.
    projector : nn.Module, optional
        What makes projections of features; given where the loss is low if all
        projections are alike, so that a collapse is noticed.
    """

    module: nn.Module
    objective: Objective
    batches: BatchSource
    callbacks: Sequence[LoopCallback] = ()
    projector: nn.Module | None = None


class Material(NamedTuple):
    """What a task is made of.

    Attributes
    ----------
    backbone : nn.Module
        Takes normalised images (b, 3, h, w), returns features (b, embed_dim); on
        `device`.
    embed_dim : int
        The size of its features.
    images : Tensor of uint8, shape (n, c, h, w)
        With c = 1 if all images are grey.
    view : callable
        Takes stored images, returns random views, normalised (b, 3, h, w).
    plain_view : callable
        Takes stored images, returns them as they are, normalised (b, 3, h, w).
    n_steps : int
        The steps of the whole training.
    generator : torch.Generator
        For random numbers on the CPU.
    device : torch.device
        Where to compute.
    """

    backbone: nn.Module
    embed_dim: int
    images: Tensor
    view: View
    plain_view: View
    n_steps: int
    generator: torch.Generator
    device: torch.device
