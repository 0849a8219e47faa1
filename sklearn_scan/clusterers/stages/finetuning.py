"""SCAN with a backbone that is trained along with the heads, on augmented views."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Found, Material, TrainingStage
from sklearn_scan.clusterers.stages.neighbor_training import make_heads, train_heads
from sklearn_scan.core.random import make_generator
from sklearn_scan.training.heads import count_shares, label_all
from sklearn_scan.training.objectives import ScanLoss


@dataclass(frozen=True, eq=False)
class Finetuning(TrainingStage):
    """Train the backbone and the best heads; keep the head of the lowest loss.

    Parameters
    ----------
    n_heads : int
        The number of heads: the best of those found before, or new ones.
    entropy_weight : float
        The weight λ of the SCAN loss.
    schedule : Schedule
        Passes, batch size and Adam's learning rate.
    prior : Tensor of shape (n_clusters,), "auto" or None, default=None
        The proportions of the clusters, from the largest to the smallest; those that
        each head begins with; or equal ones.
    """

    name: ClassVar[str] = "cluster"

    n_heads: int
    entropy_weight: float
    schedule: Schedule
    prior: Tensor | str | None = None

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Train the heads and the trunk, which is changed in place."""
        trunk, n_clusters = material.trunk, material.n_clusters
        generator = make_generator(run.seed(self.name))
        if found is None:
            heads = make_heads(trunk, n_clusters, self.n_heads, generator)
        else:
            heads = found.best_heads(self.n_heads)
        prior = self.prior
        if isinstance(prior, str):
            prior = count_shares(label_all(heads, trunk.features()), n_clusters)
        heads = heads.to(trunk.device)
        losses = train_heads(
            heads,
            trunk,
            material.graph,
            ScanLoss(self.entropy_weight, prior).to(trunk.device),
            self.schedule.with_rate(min(trunk.dims), material.n_samples),
            run,
            generator=generator,
            label="SCAN",
            starts_good=found is not None,
        )
        return Found.best_of(heads, losses, -losses, trunk.features())
