"""JULE: clusters are merged, the trunk learns from them, and the graph is made anew.

Source: Yang, Parikh and Batra, "Joint Unsupervised Learning of Deep Representations and
Image Clusters", CVPR 2016, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.clusterers.defaults import JULE_WEIGHT_DECAY, Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Found, Material, TrainingStage
from sklearn_scan.clusterers.trunks import BackboneTrunk, Trunk
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import (
    find_parts,
    joining_pairs,
    linkage_tree,
)
from sklearn_scan.training.averaging import copy_weights
from sklearn_scan.training.batches import MultiView, ViewPairs
from sklearn_scan.training.heads import UnitRows, logistic_head
from sklearn_scan.training.loop import Loop, LoopCallback
from sklearn_scan.training.objectives import Objective, WeightedTripletLoss
from sklearn_scan.training.optimizers import make_adamw

_ROWS = 2**14  # of a file, at once
_OVERFLOW = (
    "The embedding overflowed in the JULE stage, which stopped there with the weights "
    "of the period before: lower learning_rate."
)


@dataclass(frozen=True, eq=False)
class MergingPeriods(TrainingStage):
    """Merge clusters and train the trunk on them, in turns; then merge from the start.

    Parameters
    ----------
    numbers : tuple of int
        The number of clusters that each period leaves; the last is the number wanted.
    schedule : Schedule
        The passes of each period, the batch size and AdamW's learning rate at its peak.
    margin : float
        That of the triplet loss.
    neighbor_method : str, default="auto"
        How neighbours are found, as `mine_neighbors` has it.
    """

    name: ClassVar[str] = "cluster"

    numbers: tuple[int, ...]
    schedule: Schedule
    margin: float
    neighbor_method: str = "auto"

    @property
    def n_epochs(self) -> int:
        """The epochs of all periods."""
        return len(self.numbers) * self.schedule.n_epochs

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train the trunk, in place; the clusters are those of its last embedding."""
        trunk, graph = material.trunk, material.graph
        assert graph is not None  # for mypy: there is a neighbour at least
        mates = _Mates(make_generator(run.seed(self.name)))
        unlabeled = torch.zeros(material.n_samples, dtype=torch.long)
        objective = WeightedTripletLoss(unlabeled, margin=self.margin).to(trunk.device)
        period = _Period(mates, trunk)
        loop = self._make_loop(trunk, objective, period, run)
        rows = _first_rows(material)
        run.resume(loop)
        for number, n_clusters in enumerate(self.numbers, start=1):
            if number < period.number:
                continue
            if number > period.number:
                labels = torch.from_numpy(_cut_tree(graph, rows, n_clusters))
                objective.labels.copy_(labels)
                period.start(number, labels)
            loop.run(number * self.schedule.n_epochs)
            learnt = _read(trunk.features())
            if not learnt.isfinite().all():
                warn(_OVERFLOW, ConvergenceWarning)
                period.undo()
                if number > 1:  # the embedding that the period began with
                    rows = _read(trunk.features())
                    graph = self._mine(rows, graph.n_neighbors, run)
                break
            rows = learnt
            graph = self._mine(rows, graph.n_neighbors, run)
            if loop.is_stopped:
                break
        run.history += loop.history
        loss = loop.history[-1]["loss"] if loop.history else torch.nan
        last = _cut_tree(graph, rows, material.n_clusters)
        return _find(trunk, graph, last, material.n_clusters, float(loss))

    def _make_loop(
        self, trunk: Trunk, objective: Objective, period: _Period, run: Run
    ) -> Loop:
        """Return the loop of all periods."""
        mates = period.mates
        batches = ViewPairs(
            trunk.samples,
            self.schedule.batch_size,
            generator=mates.generator,
            anchor_view=trunk.strong_view,
            partner_view=trunk.strong_view,
            draw_partners=mates.draw,
            device=trunk.device,
        )
        weights = [p for p in trunk.body.parameters() if p.requires_grad]
        if not weights:
            raise ValueError(
                Message(
                    "{} trains the encoder's network, which has no weights that learn: "
                    "pass {}, or another encoder.",
                    *(Setting("finetune", True), Setting("finetune", False)),
                )
            )
        assert self.schedule.learning_rate is not None  # for mypy: it has one
        optimizer, scheduler = make_adamw(
            weights,
            self.schedule.learning_rate,
            weight_decay=JULE_WEIGHT_DECAY,
            n_steps=self.n_epochs * len(batches),
        )
        return Loop(
            MultiView(nn.Sequential(trunk.body, nn.Unflatten(0, (1, -1)))),
            objective,
            batches,
            optimizer,
            scheduler=scheduler,
            autocast=trunk.autocast(),
            starts_good=True,
            callbacks=[period, *run.callbacks()],
            stage="JULE",
            verbose=run.verbose,
        )

    def _mine(self, rows: Tensor, n_neighbors: int, run: Run) -> NeighborGraph:
        """Return the neighbours in the embedding as it now is."""
        return mine_neighbors(
            rows,
            n_neighbors,
            method=self.neighbor_method,
            center=True,
            device=rows.device,
            random_state=run.seed("mine"),
        )


def period_numbers(n_first: int, n_clusters: int, unrolling_rate: float) -> list[int]:
    """Return the numbers of clusters that the periods leave, from `n_first` on.

    Each merges the share `unrolling_rate` of the clusters; the last ends at
    `n_clusters`.

    Examples
    --------
    >>> period_numbers(1951, 10, 0.9)
    [196, 20, 10]
    """
    numbers = [max(n_clusters, int(np.ceil((1 - unrolling_rate) * n_first)))]
    while numbers[-1] > n_clusters:
        fewer = min(numbers[-1] - 1, int(np.ceil((1 - unrolling_rate) * numbers[-1])))
        numbers.append(max(n_clusters, fewer))
    return numbers


def _first_rows(material: Material) -> Tensor:
    """Return the embedding that the first graph is of, or a map of it."""
    if isinstance(material.trunk, BackboneTrunk) and material.features is not None:
        return _read(material.features)
    return _read(material.trunk.features())


def _cut_tree(graph: NeighborGraph, rows: Tensor, n_clusters: int) -> NDArray[np.int64]:
    """Return the clusters of graph degree linkage, numbered by size.

    Each period begins with single samples again: what was merged wrongly before the
    embedding was learnt is not kept. With the paper's merges of what was left, USPS
    lost .03 of its normalised mutual information.
    """
    rows = F.normalize(rows - rows.mean(dim=0), dim=1)  # angles, as of the neighbours
    pairs = joining_pairs(find_parts(graph), rows)
    return linkage_tree(graph, pairs).labels(n_clusters)


def _find(
    trunk: Trunk,
    graph: NeighborGraph,
    labels: NDArray[np.int64],
    n_clusters: int,
    loss: float,
) -> Found:
    """Return clusters of the embedding, and a head that finds them."""
    assert isinstance(trunk.scaler, UnitRows)  # for mypy: so JULE makes it
    trunk.scaler.standardize(_read(trunk.features()))
    features = _read(trunk.features())
    losses = torch.tensor([loss])
    head = logistic_head(labels, features, n_clusters)
    return Found.best_of(head, losses, -losses, features, graph)


def _read(features: Rows) -> Tensor:
    """Return the embedding as a tensor: it is small."""
    if isinstance(features, Tensor):
        return features
    return torch.cat([*features.split(_ROWS)])


class _Period(LoopCallback):
    """The period that is under way: its clusters, and the trunk as it began.

    Attributes
    ----------
    number : int
        Which one it is, from 1; 0 before the first.
    """

    def __init__(self, mates: _Mates, trunk: Trunk) -> None:
        self.number = 0
        self.mates = mates
        self._trunk = trunk

    def start(self, number: int, labels: Tensor) -> None:
        """Begin a period with these clusters, int64 (n,)."""
        self.number, self._labels = number, labels
        self._weights = copy_weights(self._trunk.body)
        self.mates.set(labels)

    def undo(self) -> None:
        """Bring the weights back with which the period began."""
        self._trunk.body.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        """Return the period, its clusters and the weights it began with."""
        return {"number": self.number, "labels": self._labels, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on in the period of a state."""
        self.number, self._labels = state["number"], state["labels"]
        self._weights = state["weights"]
        self.mates.set(self._labels)


class _Mates:
    """Draws for every sample another one of its cluster."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def set(self, labels: Tensor) -> None:
        """Draw from these clusters, int64 (n,), from now on."""
        of_cluster = labels.bincount()
        starts = of_cluster.cumsum(dim=0) - of_cluster
        self._sizes, self._starts = of_cluster[labels], starts[labels]
        self._order = labels.argsort(stable=True)  # cluster by cluster
        ranks = torch.arange(len(labels))
        self._places = torch.empty_like(ranks)  # of each sample, within its cluster
        self._places[self._order] = ranks - self._starts[self._order]

    def draw(self) -> Tensor:
        """Return the row of a mate for every sample; its own where it is alone."""
        drawn = torch.rand(len(self._order), generator=self.generator)
        steps = 1 + (drawn * (self._sizes - 1)).long()  # from 1 to size - 1
        return self._order[self._starts + (self._places + steps) % self._sizes]
