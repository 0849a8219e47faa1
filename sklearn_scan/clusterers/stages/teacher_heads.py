"""TEMI: heads that learn from a moving average of themselves.

Source: Adaloglou et al., "Exploring the Limits of Deep Image Clustering using
Pretrained Models", BMVC 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from sklearn_scan.clusterers.defaults import (
    COMPARISON_DRAWS,
    TEACHER_AXES,
    TEACHER_COMPARISON_BATCH,
    TEACHER_WEIGHT_DECAY,
    Schedule,
    suggest_momentum,
)
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Found, Material, TrainingStage
from sklearn_scan.clusterers.stages.neighbor_training import count_compared
from sklearn_scan.core.mapped_rows import through
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.sampling import draw_sample
from sklearn_scan.training.averaging import average_weights
from sklearn_scan.training.batches import ViewPairs
from sklearn_scan.training.heads import MLPHeads, PrincipalAxes, join_heads
from sklearn_scan.training.loop import Loop, evaluate
from sklearn_scan.training.objectives import TemiLoss
from sklearn_scan.training.optimizers import make_adamw


@dataclass(frozen=True, eq=False)
class TeacherHeads(TrainingStage):
    """Train heads so that each agrees with its teacher on a sample's neighbours.

    Parameters
    ----------
    n_heads : int
        The number of heads, which weigh the pairs together.
    schedule : Schedule
        Passes, pairs a step, and AdamW's learning rate at its peak.
    beta : float, default=0.6
        The exponent of the loss.
    temperature : float, default=0.1
        Divides the heads' cosines.
    teacher_momentum : float in [0, 1) or "auto", default="auto"
        The share of itself that the teacher keeps at every step.
    """

    name: ClassVar[str] = "cluster"

    n_heads: int
    schedule: Schedule
    beta: float = 0.6
    temperature: float = 0.1
    teacher_momentum: float | str = "auto"

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train the heads on the features; keep the teacher of the lowest loss.

        The loss of each is its own in both roles, over 65,536 samples drawn of more.
        """
        assert material.graph is not None  # for mypy: there is a neighbour at least
        features, dims = material.trunk.features(), material.trunk.dims
        seed = run.seed(self.name)
        generator = make_generator(seed)
        axes = PrincipalAxes.of(draw_sample(features, seed), dims, TEACHER_AXES)
        inside = through(axes.project, features)
        heads = self._make_heads(axes, material.n_clusters, generator, inside.device)
        pairs = partial(
            ViewPairs,
            inside,
            generator=generator,
            draw_partners=partial(material.graph.sample, generator),
        )
        losses = self._train(heads, axes.dims, pairs, run)
        return Found.best_of(axes.lift(heads), losses, -losses, features)

    def _make_heads(
        self,
        axes: PrincipalAxes,
        n_clusters: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> list[MLPHeads]:
        """Return the heads of each encoder."""
        return [
            MLPHeads(
                n_axes,
                n_clusters,
                self.n_heads,
                temperature=self.temperature,
                generator=generator,
            ).to(device)
            for n_axes in axes.dims
        ]

    def _train(
        self,
        heads: Sequence[MLPHeads],
        dims: tuple[int, ...],
        pairs: partial[ViewPairs],
        run: Run,
    ) -> Tensor:
        """Train the heads in place, to be their teachers; return the losses."""
        student = join_heads(heads, dims)
        batches = pairs(self.schedule.batch_size)
        n_steps = self.schedule.n_epochs * len(batches)
        optimizer, scheduler = self._make_optimizer(heads, n_steps)
        momentum = self.teacher_momentum
        if isinstance(momentum, str):
            momentum = suggest_momentum(n_steps)
        teacher = average_weights(student, optimizer, momentum)
        objective = TemiLoss(self.n_heads, student.n_clusters, self.beta)
        objective = objective.to(batches.device)
        loop = Loop(
            _StudentAndTeacher(student, teacher),
            objective,
            batches,
            optimizer,
            scheduler=scheduler,
            callbacks=run.callbacks(),
            stage="TEMI",
            verbose=run.verbose,
        )
        run.history += loop.run(self.schedule.n_epochs)
        student.load_state_dict(teacher.module.state_dict())
        compared = pairs(TEACHER_COMPARISON_BATCH)
        return evaluate(
            _StudentAndTeacher(student, student),
            objective,
            compared,
            n_passes=COMPARISON_DRAWS,
            n_batches=count_compared(len(compared.data), TEACHER_COMPARISON_BATCH),
        )

    def _make_optimizer(
        self, heads: Sequence[MLPHeads], n_steps: int
    ) -> tuple[torch.optim.Optimizer, LRScheduler]:
        assert self.schedule.learning_rate is not None  # for mypy: it has one
        weights = [weight for each in heads for weight in each.weights()]
        biases = [bias for each in heads for bias in each.biases()]
        return make_adamw(
            [{"params": weights}, {"params": biases, "weight_decay": 0.0}],
            self.schedule.learning_rate,
            weight_decay=TEACHER_WEIGHT_DECAY,
            n_steps=n_steps,
        )


class _StudentAndTeacher(nn.Module):
    """What two modules make of pairs: to learn, and to learn from."""

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.student = student
        self.teacher = teacher

    def forward(self, views: Tensor) -> tuple[Tensor, ...]:
        """Return the student's logits of anchors and partners, then the teacher's."""
        learning = self.student(views)
        with torch.no_grad():
            teaching = self.teacher(views)
        return *learning.chunk(2, dim=1), *teaching.chunk(2, dim=1)
