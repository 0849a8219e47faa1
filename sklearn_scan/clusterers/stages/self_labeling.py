"""The second stage: what a head is sure of teaches it the rest.

Source: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
ECCV 2020, section 2.3. There, strong augmentation of the images keeps the stage from
teaching a head its own errors. On frozen features it can do so, and undoes itself then.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sklearn_scan.clusterers.stages.clustering import make_adam
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.core.random import make_generator
from sklearn_scan.model_selection import COLLAPSE, information_lost
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.averaging import average_weights
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import Record, ViewPairs, fit_loop
from sklearn_scan.training.objectives import SelfLabelLoss

__all__ = ["SelfLabeled", "self_label"]

# The share of the neighbours' information that the stage may lose and still be kept.
# On the features of eight sets, fits that lost at most 0.2 % gained up to 1.5 points of
# accuracy, and fits that lost 1 % or more lost up to 13 points. Where a backbone learns
# along, only a collapse is undone.
_TOLERANCE = 0.005

# Training stops after so many epochs in which the confident samples did not grow in
# number by this share of all samples.
_PATIENCE = 10
_GROWTH = 1e-3

_ROWS = 2**16  # of the features, at once


@dataclass(frozen=True)
class SelfLabeled:
    """What came of the second stage.

    Parameters
    ----------
    kept : bool
        Whether it was run and not undone.
    history : list of dict
        The terms of the loss and the number of confident samples, epoch by epoch;
        empty if no sample was confident.
    lost : tuple of int
        The clusters that had members before, and had no confident one at the end.
    """

    kept: bool
    history: list[Record]
    lost: tuple[int, ...] = ()


def self_label(
    head: Heads,
    trunk: Trunk,
    neighbors: NeighborGraph | None,
    *,
    confidence_threshold: float = 0.99,
    least_share: float = 0.0,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    ema_decay: float | None = None,
    seed: int,
    verbose: int = 0,
) -> SelfLabeled:
    """Train a head, and its trunk, on the labels that they are confident of.

    The result is kept unless the clusters then tell clearly less of the neighbours'
    clusters than before (by over 0.5 % of `neighbor_information`, or 50 % where the
    trunk learns along): a check that needs no labels. Training ends early when
    confident samples no longer grow in number.

    Parameters
    ----------
    head : Heads
        A single head, the first stage's best; trained in place, as is a trunk that
        learns along.
    trunk : Trunk
        The samples, and what lies before the head.
    neighbors : NeighborGraph or None
        The neighbours of each sample; with None, the result is kept in any case.
    confidence_threshold : float, default=0.99
        The probability above which a sample teaches.
    least_share : float in [0, 1), default=0.0
        The share of each cluster, the most confident of it, that teaches in any case.
        The paper has none; then a cluster whose samples are all less confident has no
        teacher, and others take it in.
    n_epochs, batch_size : int
        The passes over all samples, and how many samples a step looks at.
    learning_rate : float
        Adam's.
    ema_decay : float, optional
        Keep a moving average of all weights, and of the statistics of batch norms,
        that holds on to this share of itself at every step, and end with it.
    seed : int
        For the order of the samples.
    verbose : int
        Above zero, shows a progress bar.

    Returns
    -------
    SelfLabeled
        Whether the stage was kept, and how it went.

    Warns
    -----
    ConvergenceWarning
        If no sample is confident at the outset.
    """
    before = _decide(head, trunk)
    if float(before.confidence.max()) <= confidence_threshold:
        _warn_of_skipping(before, confidence_threshold)
        return SelfLabeled(kept=False, history=[])
    module = nn.Sequential(trunk.body, head)
    first_weights = copy.deepcopy(module.state_dict())
    optimizer = make_adam(trunk, head, learning_rate)
    average = None
    if ema_decay is not None:
        average = average_weights(module, optimizer, ema_decay)
    objective = SelfLabelLoss()
    watch = _Watch(head, trunk, objective, confidence_threshold, least_share, before)
    history = fit_loop(
        _WeakAndStrong(module, average),
        objective,
        ViewPairs(
            trunk.samples,
            batch_size,
            generator=make_generator(seed),
            anchor_view=trunk.weak_view,
            partner_view=trunk.strong_view,
            device=trunk.device,
        ),
        optimizer,
        n_epochs=n_epochs,
        autocast=trunk.autocast(),
        starts_good=True,
        after_epoch=watch,
        stage="self-labelling",
        verbose=verbose,
    )
    if average is not None:
        module.load_state_dict(average.module.state_dict())
    after = _decide(head, trunk)
    tolerance = COLLAPSE if trunk.is_trained else _TOLERANCE
    if (
        neighbors is not None
        and information_lost(before.numbers, after.numbers, neighbors) > tolerance
    ):
        module.load_state_dict(first_weights)
        return SelfLabeled(kept=False, history=history)
    lost = _lost_clusters(before, after, confidence_threshold, head.n_clusters)
    return SelfLabeled(kept=True, history=history, lost=lost)


def _warn_of_skipping(decisions: _Decisions, threshold: float) -> None:
    highest = float(decisions.confidence.max())
    warnings.warn(
        f"Self-labelling was skipped: no sample's largest probability exceeds "
        f"confidence_threshold={threshold} (the highest is {highest:.3f}). "
        "The first stage's clusters stand. Lower confidence_threshold or raise "
        "max_epochs.",
        ConvergenceWarning,
        stacklevel=3,
    )


class _WeakAndStrong(nn.Module):
    """What a module makes of anchors, to learn from, and of partners, to learn with.

    The module's moving average, if there is one, is held so that after a divergence
    it too has the last good weights again.
    """

    def __init__(self, module: nn.Module, average: AveragedModel | None) -> None:
        super().__init__()
        self.module = module
        self.average = average

    def forward(self, views: Tensor) -> Tensor:
        """Return the logits of anchors, without gradient, and of partners."""
        weak, strong = views.chunk(2)
        # First what is learnt with: under autocast, older versions of torch would keep
        # the weights that were cast without a gradient, and leave these untrained.
        learning = self.module(strong)
        with torch.no_grad():
            labels = self.module(weak)
        return torch.cat([labels, learning], dim=1)


class _Watch:
    """Says after each epoch who teaches in the next, and when there is nothing to gain.

    Parameters
    ----------
    head, trunk
        What is trained.
    objective : SelfLabelLoss
        What is told who teaches.
    threshold, least_share : float
        The confidence that is enough, and the share of a cluster that is in any case.
    decisions : _Decisions
        Of all samples at the outset.
    """

    def __init__(
        self,
        head: Heads,
        trunk: Trunk,
        objective: SelfLabelLoss,
        threshold: float,
        least_share: float,
        decisions: _Decisions,
    ) -> None:
        self._head = head
        self._trunk = trunk
        self._objective = objective
        self._threshold = threshold
        self._least_share = least_share
        self._most = self._count_confident(decisions)
        self._n_waited = 0
        self._choose_teachers(decisions)

    def __call__(self, record: Record) -> bool:
        """Note the confident samples; return whether they no longer grow in number."""
        decisions = _decide(self._head, self._trunk)
        self._choose_teachers(decisions)
        n_confident = self._count_confident(decisions)
        record["n_confident"] = n_confident
        if n_confident > self._most + _GROWTH * len(self._trunk.samples):
            self._most, self._n_waited = n_confident, 0
        else:
            self._n_waited += 1
        return self._n_waited >= _PATIENCE

    def _count_confident(self, decisions: _Decisions) -> int:
        return int((decisions.confidence > self._threshold).sum())

    def _choose_teachers(self, decisions: _Decisions) -> None:
        """Tell the objective above which confidence a cluster's samples teach."""
        confidence, labels = decisions
        thresholds = confidence.new_full((self._head.n_clusters,), self._threshold)
        if self._least_share > 0:
            for cluster in labels.unique():
                reached = confidence[labels == cluster].quantile(1 - self._least_share)
                reached = reached.nextafter(torch.zeros_like(reached))  # and it itself
                thresholds[cluster] = reached.clamp_max(self._threshold)
        self._objective.threshold = thresholds


class _Decisions(NamedTuple):
    """Which cluster each plain sample is in, and with which probability."""

    confidence: Tensor
    labels: Tensor

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The labels as an array."""
        numbers: NDArray[np.int64] = self.labels.cpu().numpy()
        return numbers


@torch.no_grad()
def _decide(head: Heads, trunk: Trunk) -> _Decisions:
    # of each block two numbers a sample are kept: (n, n_clusters) may be large
    features = trunk.features()
    confidence = torch.empty(len(features), dtype=torch.float32, device=trunk.device)
    labels = torch.empty(len(features), dtype=torch.long, device=trunk.device)
    start = 0
    for rows in features.split(_ROWS):
        block = slice(start, start + len(rows))
        confidence[block], labels[block] = head(rows)[0].softmax(dim=-1).max(dim=1)
        start = block.stop
    return _Decisions(confidence, labels)


def _lost_clusters(
    before: _Decisions, after: _Decisions, threshold: float, n_clusters: int
) -> tuple[int, ...]:
    confident = after.labels[after.confidence > threshold]
    had_members = before.labels.bincount(minlength=n_clusters) > 0
    has_confident = confident.bincount(minlength=n_clusters) > 0
    lost = had_members & ~has_confident
    return tuple(lost.nonzero().flatten().tolist())
