"""Self-labelling: the samples that a head is sure of teach it the rest.

Source: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
ECCV 2020, section 2.3. There, strong augmentation of the images keeps the stage from
teaching a head its own errors. On frozen features it can do so: run it `Guarded`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_scan.clusterers.defaults import LEAST_GROWTH, PATIENCE
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import (
    Decisions,
    decide,
)
from sklearn_scan.clusterers.stages.self_training import SelfTraining
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.core.random import make_generator
from sklearn_scan.training.averaging import MovingAverage
from sklearn_scan.training.batches import ViewPairs
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import Loop, LoopCallback, Record
from sklearn_scan.training.objectives import SelfLabelLoss


@dataclass(frozen=True, eq=False)
class SelfLabeling(SelfTraining):
    """Train a head, and its trunk, on the labels that the head is confident of.

    Training ends early when the confident samples no longer grow in number.

    Parameters
    ----------
    confidence_threshold : float
        The probability above which a sample teaches.
    schedule : Schedule
        Passes over all samples, batch size and Adam's learning rate.
    ema_decay : float, optional
        Keep a moving average of all weights, and of the statistics of batch norms,
        that holds on to this share of itself at every step, and end with it.
    least_share : float in [0, 1), default=0.0
        The share of each cluster, the most confident of it, that teaches in any case.
        The paper has none; then a cluster whose samples are all less confident has no
        teacher, and others take it in.
    """

    least_share: float = 0.0

    def _train(self, head: Heads, trunk: Trunk, before: Decisions, run: Run) -> None:
        """Train head and trunk in place."""
        threshold = before.confidence.new_full(
            (head.n_clusters,), self.confidence_threshold
        )
        objective = SelfLabelLoss(threshold)
        self._run_loop(
            head,
            trunk,
            run,
            _WeakAndStrong,
            objective,
            ViewPairs(
                trunk.samples,
                self.schedule.batch_size,
                generator=make_generator(run.seed(self.name)),
                anchor_view=trunk.weak_view,
                partner_view=trunk.strong_view,
                device=trunk.device,
            ),
            _Teachers(self, head, trunk, objective, before),
        )


class _WeakAndStrong(nn.Module):
    """What a module makes of weak views, to learn from, and of strong ones to learn."""

    def __init__(self, module: nn.Module, average: MovingAverage | None) -> None:
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
        self._stage = stage
        self._threshold = stage.confidence_threshold
        self._least_share = stage.least_share
        self._head = head
        self._trunk = trunk
        self._objective = objective
        self._most = stage.count_confident(decisions)
        self._n_waited = 0
        self._choose(decisions)

    def after_epoch(self, loop: Loop, record: Record) -> bool:
        """Count the confident samples; return whether they no longer grow in number."""
        decisions = decide(self._head, self._trunk.features())
        self._choose(decisions)
        n_confident = self._stage.count_confident(decisions)
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
