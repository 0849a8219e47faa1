"""TEMI: heads that learn from a moving average of themselves.

Source: Adaloglou et al., "Exploring the Limits of Deep Image Clustering using
Pretrained Models", BMVC 2023.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from sklearn_scan.clusterers.defaults import (
    COMPARISON_DRAWS,
    TEACHER_COMPARISON_BATCH,
    TEACHER_WEIGHT_DECAY,
    Schedule,
    suggest_momentum,
)
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Found, Material, TrainingStage
from sklearn_scan.clusterers.stages.neighbor_training import count_compared
from sklearn_scan.clusterers.stages.starts import Starts, nearest_pairs, select_best
from sklearn_scan.core.random import make_generator
from sklearn_scan.training.averaging import average_weights
from sklearn_scan.training.batches import ViewPairs
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import Loop, evaluate
from sklearn_scan.training.objectives import TemiLoss
from sklearn_scan.training.optimizers import make_adamw


@dataclass(frozen=True, eq=False)
class TeacherHeads(TrainingStage):
    """Train heads so that each agrees with its teacher on a sample's neighbours.

    The heads start from the best of several partitions; their teachers are scored.

    Parameters
    ----------
    n_heads : int
        The number of heads, which weigh the pairs together. Each starts from a
        partition of its own, as long as there are so many.
    schedule : Schedule
        Passes, pairs a step, and AdamW's learning rate at its peak; where that is None
        it is worked out from the number of features and of steps.
    n_pairs : int
        The neighbours of each sample, the nearest, with which it is to agree.
    beta : float
        The exponent of the loss.
    temperature : float
        Divides the logits that heads start with, which are a regression to 0 and 1.
    teacher_momentum : float in [0, 1) or "auto", default="auto"
        The share of itself that the teacher keeps at every step.
    """

    name: ClassVar[str] = "cluster"

    n_heads: int
    schedule: Schedule
    n_pairs: int
    beta: float
    temperature: float
    teacher_momentum: float | str = "auto"

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train heads on the features; the loss of each is its own in both roles.

        The losses are over 65,536 samples drawn of more.
        """
        assert material.graph is not None  # for mypy: there is a neighbour at least
        trunk, seed = material.trunk, run.seed(self.name)
        generator = make_generator(seed)
        starts = Starts.drawn(trunk, material.graph, material.n_clusters, seed)
        best, comparison = starts.best_partitions(self.n_heads, seed, run)
        order = torch.arange(self.n_heads, device=best.device)  # in turns, of fewer
        heads = starts.heads_at(best[order % len(best)], self.temperature)
        graph = nearest_pairs(material.graph, self.n_pairs, material.n_clusters)
        pairs = partial(
            ViewPairs,
            starts.all_inside(trunk).samples,
            generator=generator,
            draw_partners=partial(graph.sample, generator),
        )
        schedule = self.schedule.with_rate(min(trunk.dims), material.n_samples)
        losses = self._train(heads, starts, schedule, pairs, run)
        outside, scores = starts.scored(heads)
        found = Found.best_of(outside, losses, scores, trunk.features())
        return replace(found, comparison=comparison)

    def _train(
        self,
        student: Heads,
        starts: Starts,
        schedule: Schedule,
        pairs: partial[ViewPairs],
        run: Run,
    ) -> Tensor:
        """Train heads in place, to be their own teachers; return the losses."""
        assert schedule.learning_rate is not None  # for mypy: it has one
        batches = pairs(schedule.batch_size)
        n_steps = schedule.n_epochs * len(batches)
        optimizer, scheduler = make_adamw(
            student.parameters(),
            schedule.learning_rate,
            weight_decay=TEACHER_WEIGHT_DECAY,
            n_steps=n_steps,
        )
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
            starts_good=True,
            callbacks=run.callbacks(
                lambda: select_best(*starts.scored(cast(Heads, teacher.module)))
            ),
            stage="TEMI",
            verbose=run.verbose,
        )
        run.train(loop, schedule.n_epochs)
        student.load_state_dict(teacher.module.state_dict())
        compared = pairs(TEACHER_COMPARISON_BATCH)
        return evaluate(
            _StudentAndTeacher(student, student),
            objective,
            compared,
            n_passes=COMPARISON_DRAWS,
            n_batches=count_compared(len(compared.data), TEACHER_COMPARISON_BATCH),
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
