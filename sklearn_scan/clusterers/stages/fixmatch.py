"""FixMatch: samples whose neighbours agree are labelled, and teach the others.

Sources: Niu, Shan and Wang, "SPICE: Semantic Pseudo-Labeling for Image Clustering",
IEEE TIP 2022, arXiv:2103.09382, section 3.3, for the labelled samples; Sohn et al.,
"FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence",
NeurIPS 2020, arXiv:2001.07685, for what is learnt from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sklearn_scan.clusterers.defaults import (
    LABELED_EPOCHS,
    LABELING_NEIGHBORS,
    UNLABELED_RATIO,
)
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Decisions, decide
from sklearn_scan.clusterers.stages.labeled_set import choose_labeled
from sklearn_scan.clusterers.stages.self_training import SelfTraining
from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.random import make_generator
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.averaging import MovingAverage
from sklearn_scan.training.batches import LabeledAndAll
from sklearn_scan.training.heads import Heads
from sklearn_scan.training.loop import Loop, LoopCallback, Record
from sklearn_scan.training.objectives import FixMatchLoss


@dataclass(frozen=True, eq=False)
class FixMatch(SelfTraining):
    """Train a head and its trunk on labels that neighbours agree on, and on all views.

    Labels are those of the head before the stage: of samples that are confident, and
    whose neighbours have the same label. They are chosen again every few epochs, since
    what the network has learnt meanwhile tells more of them. Each step learns the
    labels of a few of these samples, from views that are slightly moved. Of all other
    samples, the strong view learns what the moved one says, if that is confident. So
    more and more samples teach, while the labelled ones hold the clusters in their
    places.

    Large clusters must not take in small ones. So in each step, labelled samples come
    from every cluster equally often, and the confident views of every cluster weigh the
    same. (The sizes of clusters need not be known for this.)

    Parameters
    ----------
    confidence_threshold, schedule, ema_decay
        As for `SelfTraining`.
    neighbor_method : str, default="auto"
        How neighbours are found, as `mine_neighbors` has it.
    """

    neighbor_method: str = "auto"

    def _train(self, head: Heads, trunk: Trunk, before: Decisions, run: Run) -> None:
        """Train head and trunk in place."""
        seed, n_samples = run.seed(self.name), len(trunk.samples)
        choose = partial(self._choose_labels, trunk, head.n_clusters, seed)
        labels = choose(trunk.features(), before)
        n_labeled = -(-min(self.schedule.batch_size, n_samples) // UNLABELED_RATIO)
        objective = FixMatchLoss(labels, self.confidence_threshold).to(trunk.device)
        batches = LabeledAndAll(
            trunk.samples,
            labels,
            self.schedule.batch_size,
            n_labeled,
            generator=make_generator(seed),
            first_view=trunk.moved_view,
            second_view=trunk.strong_view,
            device=trunk.device,
        )

        def relabel(features: Rows, decisions: Decisions) -> None:
            """Let other samples teach from now on."""
            labels = choose(features, decisions)
            objective.labels = labels.to(trunk.device)
            batches.relabel(labels)

        self._run_loop(
            head,
            trunk,
            run,
            partial(_LabeledAndViews, n_labeled),
            objective,
            batches,
            _Labels(self, head, trunk, objective, relabel),
        )

    def _choose_labels(
        self,
        trunk: Trunk,
        n_clusters: int,
        seed: int,
        features: Rows,
        decisions: Decisions,
    ) -> Tensor:
        """Return the labels of the samples that are labelled, and -1 for the others."""
        assert isinstance(features, Tensor)  # for mypy: those of images are
        graph = mine_neighbors(
            features,
            min(LABELING_NEIGHBORS, len(trunk.samples) - 1),
            method=self.neighbor_method,
            center=len(trunk.dims) == 1,
            device=trunk.device,
            random_state=seed,
        )
        confidence, labels = (each.cpu().numpy() for each in decisions)
        chosen = choose_labeled(
            labels, confidence, graph, n_clusters, self.confidence_threshold
        )
        return torch.from_numpy(chosen)


class _LabeledAndViews(nn.Module):
    """What a module makes of labelled samples, of weak views and of strong ones."""

    def __init__(
        self, n_labeled: int, module: nn.Module, average: MovingAverage | None
    ) -> None:
        super().__init__()
        self.module = module
        self.average = average
        self.n_labeled = n_labeled

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of labelled views, of weak ones, and of strong ones.

        Those of weak views have no gradient.
        """
        labeled, pairs = views[: self.n_labeled], views[self.n_labeled :]
        weak, strong = pairs.chunk(2)
        # First what is learnt with, as in `SelfLabeling`.
        learning = self.module(torch.cat([labeled, strong]))
        with torch.no_grad():
            guesses = self.module(weak)
        return learning[:, : self.n_labeled], guesses, learning[:, self.n_labeled :]


class _Labels(LoopCallback):
    """Lets samples be labelled again every few epochs, and notes how many there are."""

    def __init__(
        self,
        stage: FixMatch,
        head: Heads,
        trunk: Trunk,
        objective: FixMatchLoss,
        relabel: Callable[[Rows, Decisions], None],
    ) -> None:
        self._stage = stage
        self._head = head
        self._trunk = trunk
        self._objective = objective
        self._relabel = relabel

    def after_epoch(self, loop: Loop, record: Record) -> bool:
        """Count, and label; training goes on, since more and more views teach."""
        features = self._trunk.features()
        decisions = decide(self._head, features)
        record["n_confident"] = self._stage.count_confident(decisions)
        record["n_labeled"] = int((self._objective.labels >= 0).sum())
        is_due = record["epoch"] % LABELED_EPOCHS == 0
        if is_due and record["epoch"] < loop.n_epochs:
            self._relabel(features, decisions)
        return False
