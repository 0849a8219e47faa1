"""TEMI's only stage: heads that learn from a moving average of themselves.

Source: Adaloglou et al., "Exploring the Limits of Deep Image Clustering using
Pretrained Models", BMVC 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from sklearn_scan.clusterers.stages.clustering import (
    COMPARISON_DRAWS,
    TrainedHeads,
    count_compared,
)
from sklearn_scan.core.mapped_rows import Rows, through
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.sampling import draw_sample
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.averaging import average_weights
from sklearn_scan.training.heads import MLPHeads, PrincipalAxes, join_heads
from sklearn_scan.training.loop import ViewPairs, evaluate, fit_loop
from sklearn_scan.training.objectives import TemiLoss
from sklearn_scan.training.optimizers import make_adamw

__all__ = ["suggest_momentum", "train_with_teacher"]

# The heads' time goes with the features that they see, and what lies off these many
# axes says little of what is alike.
_MOST_AXES = 128

# A teacher lags behind its student by about 1 / (1 - momentum) steps, of which the
# training should have so many.
_LAGS = 50
_LEAST_MOMENTUM, _MOST_MOMENTUM = 0.9, 0.996
_WEIGHT_DECAY = 1e-4  # the paper's; biases have none
_COMPARISON_BATCH = 1024


def suggest_momentum(n_steps: int) -> float:
    """Return the momentum of a teacher that keeps up within so many steps.

    Parameters
    ----------
    n_steps : int
        The number of steps in training.

    Returns
    -------
    float
        From 0.9, for all but long training, to the paper's 0.996.

    Examples
    --------
    >>> suggest_momentum(300), suggest_momentum(100_000)
    (0.9, 0.996)
    """
    return min(max(1 - _LAGS / n_steps, _LEAST_MOMENTUM), _MOST_MOMENTUM)


def train_with_teacher(
    features: Rows,
    neighbors: NeighborGraph,
    objective: TemiLoss,
    *,
    dims: tuple[int, ...] | None = None,
    temperature: float,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    teacher_momentum: float,
    seed: int,
    verbose: int = 0,
) -> TrainedHeads:
    """Train heads so that each agrees with its teacher on a sample's neighbours.

    Parameters
    ----------
    features : Tensor or MappedRows of shape (n, embed_dim)
        Of the samples, about their mean; on the device to train on.
    neighbors : NeighborGraph
        The neighbours of each sample.
    objective : TemiLoss
        The loss of student and teacher, on the same device.
    dims : tuple of int, optional
        The widths of the feature spaces, if there are several side by side.
    temperature : float
        What the heads' cosines are divided by.
    n_epochs, batch_size : int
        The passes over the samples, and the pairs of a step.
    learning_rate : float
        AdamW's at its peak, after a tenth of the steps.
    teacher_momentum : float in [0, 1)
        The share of itself that the teacher keeps at every step.
    seed : int
        For the first weights, the order and the neighbours drawn.
    verbose : int
        Above zero, shows a progress bar.

    Returns
    -------
    TrainedHeads
        The teachers, with the loss of each in both roles, over 65,536 drawn of more
        samples.
    """
    generator = make_generator(seed)
    dims = dims or (features.shape[1],)
    subspaces = PrincipalAxes.of(draw_sample(features, seed), dims, _MOST_AXES)
    features = through(subspaces.project, features)
    n_heads, n_clusters = objective.marginal.shape
    heads = [
        MLPHeads(
            n_axes,
            n_clusters,
            n_heads,
            temperature=temperature,
            generator=generator,
        ).to(features.device)
        for n_axes in subspaces.dims
    ]
    student = join_heads(heads, subspaces.dims)
    pairs = partial(
        ViewPairs,
        features,
        generator=generator,
        draw_partners=partial(neighbors.sample, generator),
    )
    batches = pairs(batch_size)
    optimizer, scheduler = _make_optimizer(
        heads, learning_rate, n_epochs * len(batches)
    )
    teacher = average_weights(student, optimizer, teacher_momentum)
    history = fit_loop(
        _StudentAndTeacher(student, teacher, objective),
        objective,
        batches,
        optimizer,
        scheduler=scheduler,
        n_epochs=n_epochs,
        stage="TEMI",
        verbose=verbose,
    )
    student.load_state_dict(teacher.module.state_dict())
    losses = evaluate(
        _StudentAndTeacher(student, student, objective),
        objective,
        pairs(_COMPARISON_BATCH),
        n_passes=COMPARISON_DRAWS,
        n_batches=count_compared(len(features), _COMPARISON_BATCH),
    )
    return TrainedHeads(subspaces.lift(heads), losses, history, -losses)


def _make_optimizer(
    heads: Sequence[MLPHeads], learning_rate: float, n_steps: int
) -> tuple[torch.optim.Optimizer, LRScheduler]:
    weights = [weight for each in heads for weight in each.weights()]
    biases = [bias for each in heads for bias in each.biases()]
    return make_adamw(
        [{"params": weights}, {"params": biases, "weight_decay": 0.0}],
        learning_rate,
        weight_decay=_WEIGHT_DECAY,
        n_steps=n_steps,
    )


class _StudentAndTeacher(nn.Module):
    """What two modules make of a batch: to learn, and to learn from.

    What the objective remembers is held beside them, so that after a divergence all
    three are again as they were after the last good epoch.
    """

    def __init__(
        self, student: nn.Module, teacher: nn.Module, objective: nn.Module
    ) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher
        self.objective = objective

    def forward(self, views: Tensor) -> Tensor:
        """Return the logits of the student, then the teacher's, without gradient."""
        learning = self.student(views)
        with torch.no_grad():
            teaching = self.teacher(views)
        return torch.cat([learning, teaching], dim=1)
