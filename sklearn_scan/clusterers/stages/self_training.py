"""What stages share in which a head learns from labels of its own."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import (
    Decisions,
    Found,
    Material,
    TrainingStage,
    decide,
)
from sklearn_scan.clusterers.stages.neighbor_training import make_adam
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.training.averaging import MovingAverage, average_weights
from sklearn_scan.training.batches import BatchSource
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import Loop, LoopCallback
from sklearn_scan.training.objectives import Objective

# From body and head, and their moving average if there is one, to what sees batches.
# It holds the average so that after a divergence this too has the last good weights.
MakeSeeing: TypeAlias = Callable[[nn.Module, MovingAverage | None], nn.Module]


@dataclass(frozen=True, eq=False)
class SelfTraining(TrainingStage, ABC):
    """Train a head, and its trunk, on labels of its own; a subclass writes `_train`.

    Parameters
    ----------
    confidence_threshold : float
        The probability above which a sample is confident.
    schedule : Schedule
        Passes over all samples, batch size and Adam's learning rate.
    ema_decay : float, optional
        Keep a moving average of all weights, and of the statistics of batch norms,
        that holds on to this share of itself at every step, and end with it.

    Warns
    -----
    ConvergenceWarning
        If no sample is confident at the outset: then nothing is trained.
    """

    name: ClassVar[str] = "self_label"

    confidence_threshold: float
    schedule: Schedule
    ema_decay: float | None = None

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train a copy of the head; the trunk is changed in place."""
        assert found is not None  # for mypy: a stage before has found the head
        if self.count_confident(found.decisions) == 0:
            self._warn_of_skipping(found.decisions)
            return found
        trunk, head = material.trunk, copy.deepcopy(found.head)
        self._train(head, trunk, found.decisions, run)
        after = decide(head, trunk.features())
        return replace(
            found,
            head=head,
            decisions=after,
            self_labeled=True,
            lost_clusters=self._lost_clusters(found.decisions, after, head.n_clusters),
        )

    @abstractmethod
    def _train(self, head: Heads, trunk: Trunk, before: Decisions, run: Run) -> None:
        """Train head and trunk in place, by `_run_loop`."""

    def _run_loop(
        self,
        head: Heads,
        trunk: Trunk,
        run: Run,
        make_seeing: MakeSeeing,
        objective: Objective,
        batches: BatchSource,
        callback: LoopCallback,
    ) -> None:
        """Train head and trunk in place for the epochs of the schedule."""
        schedule = self.schedule.with_rate(min(trunk.dims), len(trunk.samples))
        assert schedule.learning_rate is not None  # for mypy: it has one
        module = nn.Sequential(trunk.body, head)
        optimizer = make_adam(trunk, head, schedule.learning_rate)
        average = None
        if self.ema_decay is not None:
            average = average_weights(module, optimizer, self.ema_decay)
        loop = Loop(
            make_seeing(module, average),
            objective,
            batches,
            optimizer,
            autocast=trunk.autocast(),
            starts_good=True,
            callbacks=[callback, *run.callbacks(lambda: head)],
            stage="self-labelling",
            verbose=run.verbose,
        )
        run.train(loop, schedule.n_epochs)
        if average is not None:
            module.load_state_dict(average.module.state_dict())

    def _warn_of_skipping(self, decisions: Decisions) -> None:
        highest = float(decisions.confidence.max())
        warn(
            Message(
                "Self-labelling was skipped: it learns from {} with a probability "
                "above {}, and the highest is {:.3f} (before calibration). The "
                "clusters are those of the first stage. Lower {}, or raise {}.",
                *(Advice("samples", "samples"), self.confidence_threshold, highest),
                *(Setting("confidence_threshold"), Setting("max_epochs")),
            ),
            ConvergenceWarning,
        )

    def count_confident(self, decisions: Decisions) -> int:
        """Return the number of confident samples."""
        return int((decisions.confidence > self.confidence_threshold).sum())

    def _lost_clusters(
        self, before: Decisions, after: Decisions, n_clusters: int
    ) -> tuple[int, ...]:
        """Return the clusters that had members, and end without a confident one."""
        confident = after.labels[after.confidence > self.confidence_threshold]
        had_members = before.labels.bincount(minlength=n_clusters) > 0
        has_confident = confident.bincount(minlength=n_clusters) > 0
        lost = had_members & ~has_confident
        return tuple(lost.nonzero().flatten().tolist())
