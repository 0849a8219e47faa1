"""SCAN on features as they are: heads that start from partitions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Found, Material, TrainingStage
from sklearn_scan.clusterers.stages.neighbor_training import train_heads
from sklearn_scan.clusterers.stages.starts import Starts, nearest_pairs, select_best
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.core.random import make_generator
from sklearn_scan.training.heads import count_shares
from sklearn_scan.training.objectives import ScanLoss


@dataclass(frozen=True, eq=False)
class FirstHeads(TrainingStage):
    """Train heads from the best of several partitions; keep the best head.

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
    n_pairs : int
        The neighbours of each sample, the nearest, with which it is to agree.
    prior : Tensor of shape (n_clusters,), "auto" or None, default=None
        The proportions of the clusters, from the largest to the smallest; those of the
        partition that a head starts from; or equal ones.
    label : str, default="SCAN"
        The name in the history and on the progress bar.
    """

    name: ClassVar[str] = "cluster"

    n_heads: int
    entropy_weights: tuple[float, ...]
    schedule: Schedule
    n_pairs: int
    prior: Tensor | str | None = None
    label: str = "SCAN"

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train heads on the features of the trunk as they are."""
        assert material.graph is not None  # for mypy: without one there is no stage
        of_trunk, seed = material.trunk, run.seed(self.name)
        # embedded once: a trunk with a backbone embeds all images at each call
        trunk = FeatureTrunk(of_trunk.features(), of_trunk.dims, of_trunk.scale)
        starts = Starts.drawn(trunk, material.graph, material.n_clusters, seed)
        best, comparison = starts.best_partitions(self._n_partitions, seed, run)
        partitions, weights = self._starts(best)
        heads = starts.heads_at(partitions)
        prior = self._prior(partitions, material.n_clusters)
        losses = train_heads(
            heads,
            starts.all_inside(trunk),
            nearest_pairs(material.graph, self.n_pairs, material.n_clusters),
            ScanLoss(weights, prior).to(trunk.device),
            self.schedule.with_rate(min(trunk.dims), material.n_samples),
            run,
            generator=make_generator(seed),
            label=self.label,
            best=lambda: select_best(*starts.scored(heads)),
        )
        outside, scores = starts.scored(heads)
        found = Found.best_of(outside, losses, scores, trunk.features())
        return replace(found, comparison=comparison)

    @property
    def _n_partitions(self) -> int:
        return -(-self.n_heads // len(self.entropy_weights))

    def _starts(self, best: Tensor) -> tuple[Tensor, Tensor]:
        """Return the partition that each head starts from, and its entropy weight."""
        order = torch.arange(self.n_heads, device=best.device)
        weights = torch.tensor(self.entropy_weights, device=best.device)
        return best[order % len(best)], weights[order // len(best) % len(weights)]

    def _prior(self, starts: Tensor, n_clusters: int) -> Tensor | None:
        if isinstance(self.prior, str):
            return count_shares(starts, n_clusters)
        return self.prior
