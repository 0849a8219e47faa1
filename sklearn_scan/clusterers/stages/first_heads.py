"""SCAN on features as they are: heads that start from partitions.

Heads of random weights settle in clusters near by, so that one head differs from the
next by many points. Here each starts from a partition of all samples, trains by the
SCAN loss, and the one is kept whose clusters neighbours share most and a linear model
finds again. Of many samples, a part is drawn for the partitions and for the scores; the
heads are trained on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from sklearn_scan.clusterers.defaults import (
    LEAST_NEIGHBORS,
    MOST_NEIGHBORS_SHARE,
    Schedule,
)
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Found, Material, TrainingStage
from sklearn_scan.clusterers.stages.neighbor_training import train_heads
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.core.features import center_blocks
from sklearn_scan.core.mapped_rows import through
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.sampling import draw_sample
from sklearn_scan.model_selection import score_heads
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import several_partitions
from sklearn_scan.training.heads import (
    MOST_AXES,
    Heads,
    PrincipalAxes,
    count_shares,
    join_heads,
    split_heads,
    start_heads_at,
)
from sklearn_scan.training.objectives import ScanLoss


@dataclass(frozen=True, eq=False)
class FirstHeads(TrainingStage):
    """Train heads from several partitions; keep the one that neighbours share most.

    Parameters
    ----------
    n_heads : int
        The number of heads.
    entropy_weights : tuple of float
        The weights λ of the SCAN loss. As many heads have each of them, and start from
        the same partitions.
    schedule : Schedule
        Passes, batch size and Adam's learning rate; where that is None it is worked
        out from the number of features and of steps.
    prior : Tensor of shape (n_clusters,), "auto" or None, default=None
        The proportions of the clusters, from the largest to the smallest; those of the
        partition that a head starts from; or equal ones.
    label : str, default="SCAN"
        The name in the history and on the progress bar.
    linkage : bool, default=False
        Whether the first partitions are by graph degree linkage.
    """

    name: ClassVar[str] = "cluster"

    n_heads: int
    entropy_weights: tuple[float, ...]
    schedule: Schedule
    prior: Tensor | str | None = None
    label: str = "SCAN"
    linkage: bool = False

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train heads on the features of the trunk as they are."""
        assert material.graph is not None  # for mypy: without one there is no stage
        features = material.trunk.features()
        trunk = FeatureTrunk(features, material.trunk.dims, material.trunk.scale)
        seed = run.seed(self.name)
        most = max(LEAST_NEIGHBORS, int(len(features) * MOST_NEIGHBORS_SHARE))
        graph = material.graph.nearest(most)
        sample = _Sample.drawn(trunk, graph, seed)
        starts, weights = self._starts(sample, material.n_clusters, seed)
        heads = _start_heads(starts, sample.trunk, material.n_clusters)
        loss = ScanLoss(weights, self._prior(starts, material.n_clusters))

        def scored() -> tuple[Heads, Tensor]:
            """Return the heads of all features, and their scores."""
            scores = score_heads(heads, sample.features, sample.graph)
            return sample.axes.lift(split_heads(heads)), scores

        losses = train_heads(
            heads,
            sample.all_inside(trunk),
            graph,
            loss.to(trunk.device),
            self.schedule.with_rate(min(trunk.dims), len(features)),
            run,
            generator=make_generator(seed),
            label=self.label,
            best=lambda: _select_best(*scored()),
        )
        outside, scores = scored()
        return Found.best_of(outside, losses, scores, features)

    def _starts(
        self, sample: _Sample, n_clusters: int, seed: int
    ) -> tuple[Tensor, Tensor]:
        """Return the partition that each head starts from, and its entropy weight."""
        n_partitions = -(-self.n_heads // len(self.entropy_weights))
        partitions = draw_partitions(
            sample.trunk,
            sample.graph,
            n_clusters,
            n_partitions,
            seed,
            linkage=self.linkage,
        )
        order = torch.arange(self.n_heads, device=partitions.device)
        weights = torch.tensor(self.entropy_weights, device=partitions.device)
        return partitions[order % n_partitions], weights[order // n_partitions]

    def _prior(self, starts: Tensor, n_clusters: int) -> Tensor | None:
        if isinstance(self.prior, str):
            return count_shares(starts, n_clusters)
        return self.prior


def _select_best(heads: Heads, scores: Tensor) -> Heads:
    return heads.select(int(scores.argmax()))


@dataclass(frozen=True, eq=False)
class _Sample:
    """Some of the samples along the principal axes, and their neighbours among them."""

    trunk: FeatureTrunk
    graph: NeighborGraph
    axes: PrincipalAxes

    @classmethod
    def drawn(cls, trunk: FeatureTrunk, graph: NeighborGraph, seed: int) -> _Sample:
        """Draw samples; of few, all.

        Of few in many, the neighbours of each are nearly all among those not drawn.
        """
        features = draw_sample(trunk.samples, seed)
        axes = PrincipalAxes.of(features, trunk.dims, MOST_AXES).scaled_to(features)
        inside = FeatureTrunk(axes.project(features), axes.dims)
        if len(features) == len(trunk.samples):
            return cls(inside, graph, axes)
        unscaled = features if trunk.scale is None else features * trunk.scale
        graph = mine_neighbors(
            center_blocks(unscaled, trunk.dims),
            min(graph.n_neighbors, len(features) - 1),
            method="exact",
            device=trunk.device,
        )
        return cls(inside, graph, axes)

    @property
    def features(self) -> Tensor:
        """The samples along the axes."""
        assert isinstance(self.trunk.samples, Tensor)  # for mypy: so they are drawn
        return self.trunk.samples

    def all_inside(self, trunk: FeatureTrunk) -> FeatureTrunk:
        """Return all samples along the axes; these themselves, if they are all."""
        if len(self.features) == len(trunk.samples):
            return self.trunk
        rows = through(self.axes.project, trunk.samples)
        return FeatureTrunk(rows, self.axes.dims)


def draw_partitions(
    trunk: FeatureTrunk,
    graph: NeighborGraph,
    n_clusters: int,
    n_partitions: int,
    seed: int,
    *,
    linkage: bool = False,
) -> Tensor:
    """Return several partitions, int64 (n_partitions, n), clusters by falling size."""
    # distances in which encoders of many features weigh no more than those of few
    blocks = [block / block.shape[1] ** 0.5 for block in _blocks(trunk)]
    partitions = several_partitions(
        torch.cat(blocks, dim=1).cpu().numpy(),
        graph,
        n_clusters,
        n_partitions,
        check_random_state(seed),
        linkage=linkage,
    )
    numbered = [_number_by_size(labels, n_clusters) for labels in partitions]
    return torch.from_numpy(np.stack(numbered)).to(trunk.device)


def _number_by_size(labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    order = np.argsort(-np.bincount(labels, minlength=n_clusters), kind="stable")
    rank: NDArray[np.int64] = np.argsort(order)
    return rank[labels]


def _start_heads(partitions: Tensor, trunk: FeatureTrunk, n_clusters: int) -> Heads:
    heads = [start_heads_at(partitions, block, n_clusters) for block in _blocks(trunk)]
    return join_heads(heads, trunk.dims).to(trunk.device)


def _blocks(trunk: FeatureTrunk) -> tuple[Tensor, ...]:
    """Return the features of each encoder."""
    assert isinstance(trunk.samples, Tensor)  # for mypy: those that are drawn
    return torch.split(trunk.samples, list(trunk.dims), dim=1)
