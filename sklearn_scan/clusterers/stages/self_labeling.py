"""Self-labelling: the samples that a head is sure of teach it the rest.

Source: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
ECCV 2020, section 2.3. There, strong augmentation of the images keeps the stage from
teaching a head its own errors. On frozen features it can do so: run it `Guarded`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sklearn_scan.clusterers.defaults import LEAST_GROWTH, PATIENCE, Schedule
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
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.training.averaging import average_weights
from sklearn_scan.training.batches import ViewPairs
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import Loop, LoopCallback, Record
from sklearn_scan.training.objectives import SelfLabelLoss


@dataclass(frozen=True, eq=False)
class SelfLabeling(TrainingStage):
    """Train a head, and its trunk, on the labels that the head is confident of.

    Training ends early when the confident samples no longer grow in number.

    Parameters
    ----------
    confidence_threshold : float
        The probability above which a sample teaches.
    schedule : Schedule
        Passes over all samples, batch size and Adam's learning rate.
    least_share : float in [0, 1), default=0.0
        The share of each cluster, the most confident of it, that teaches in any case.
        The paper has none; then a cluster whose samples are all less confident has no
        teacher, and others take it in.
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
    least_share: float = 0.0
    ema_decay: float | None = None

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train a copy of the head; the trunk is changed in place."""
        assert found is not None  # for mypy: a stage before has found the head
        before = found.decisions
        if float(before.confidence.max()) <= self.confidence_threshold:
            self._warn_of_skipping(before)
            return found
        trunk, head = material.trunk, copy.deepcopy(found.head)
        self._train(head, trunk, before, run)
        after = decide(head, trunk.features())
        return replace(
            found,
            head=head,
            decisions=after,
            self_labeled=True,
            lost_clusters=self._lost_clusters(before, after, head.n_clusters),
        )

    def _train(self, head: Heads, trunk: Trunk, before: Decisions, run: Run) -> None:
        """Train head and trunk in place."""
        schedule = self.schedule.with_rate(min(trunk.dims), len(trunk.samples))
        assert schedule.learning_rate is not None  # for mypy: it has one
        module = nn.Sequential(trunk.body, head)
        optimizer = make_adam(trunk, head, schedule.learning_rate)
        average = None
        if self.ema_decay is not None:
            average = average_weights(module, optimizer, self.ema_decay)
        threshold = before.confidence.new_full(
            (head.n_clusters,), self.confidence_threshold
        )
        objective = SelfLabelLoss(threshold)
        teachers = _Teachers(self, head, trunk, objective, before)
        loop = Loop(
            _WeakAndStrong(module, average),
            objective,
            ViewPairs(
                trunk.samples,
                schedule.batch_size,
                generator=make_generator(run.seed(self.name)),
                anchor_view=trunk.weak_view,
                partner_view=trunk.strong_view,
                device=trunk.device,
            ),
            optimizer,
            autocast=trunk.autocast(),
            starts_good=True,
            callbacks=[teachers, *run.callbacks(lambda: head)],
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

    def _lost_clusters(
        self, before: Decisions, after: Decisions, n_clusters: int
    ) -> tuple[int, ...]:
        """Return the clusters that had members, and end without a confident one."""
        confident = after.labels[after.confidence > self.confidence_threshold]
        had_members = before.labels.bincount(minlength=n_clusters) > 0
        has_confident = confident.bincount(minlength=n_clusters) > 0
        lost = had_members & ~has_confident
        return tuple(lost.nonzero().flatten().tolist())


class _WeakAndStrong(nn.Module):
    """What a module makes of weak views, to learn from, and of strong ones to learn.

    The module's moving average, if there is one, is held so that after a divergence
    it too has the last good weights again.
    """

    def __init__(self, module: nn.Module, average: AveragedModel | None) -> None:
        super().__init__()
        self.module = module
        self.average = average

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of weak views, without gradient, and of strong ones."""
        weak, strong = views.chunk(2)
        # First what is learnt with: under autocast, older versions of torch would keep
        # the weights that were cast without a gradient, and leave these untrained.
        learning = self.module(strong)
        with torch.no_grad():
            labels = self.module(weak)
        return labels, learning


class _Teachers(LoopCallback):
    """Chooses after each epoch who teaches in the next; ends without more of them."""

    def __init__(
        self,
        stage: SelfLabeling,
        head: Heads,
        trunk: Trunk,
        objective: SelfLabelLoss,
        decisions: Decisions,
    ) -> None:
        self._threshold = stage.confidence_threshold
        self._least_share = stage.least_share
        self._head = head
        self._trunk = trunk
        self._objective = objective
        self._most = self._count_confident(decisions)
        self._n_waited = 0
        self._choose(decisions)

    def after_epoch(self, loop: Loop, record: Record) -> bool:
        """Count the confident samples; return whether they no longer grow in number."""
        decisions = decide(self._head, self._trunk.features())
        self._choose(decisions)
        n_confident = self._count_confident(decisions)
        record["n_confident"] = n_confident
        if n_confident > self._most + LEAST_GROWTH * len(self._trunk.samples):
            self._most, self._n_waited = n_confident, 0
        else:
            self._n_waited += 1
        return self._n_waited >= PATIENCE

    def state_dict(self) -> dict[str, Any]:
        """Return the most confident samples so far, and the epochs since."""
        return {"most": self._most, "n_waited": self._n_waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the counts of a state."""
        self._most, self._n_waited = state["most"], state["n_waited"]

    def _count_confident(self, decisions: Decisions) -> int:
        return int((decisions.confidence > self._threshold).sum())

    def _choose(self, decisions: Decisions) -> None:
        """Tell the objective above which confidence a cluster's samples teach."""
        confidence, labels = decisions
        thresholds = confidence.new_full((self._head.n_clusters,), self._threshold)
        if self._least_share > 0:
            for cluster in torch.unique(labels):
                reached = confidence[labels == cluster].quantile(1 - self._least_share)
                reached = reached.nextafter(torch.zeros_like(reached))  # and it itself
                thresholds[cluster] = reached.clamp_max(self._threshold)
        self._objective.threshold.copy_(thresholds)
