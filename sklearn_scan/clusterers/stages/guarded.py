"""A stage that is undone where it does harm."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan.clusterers.defaults import MOST_LOST_OF_APART, N_PAIRS
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Found, Material, Stage
from sklearn_scan.core.warn import warn
from sklearn_scan.model_selection import information_lost
from sklearn_scan.training.averaging import copy_weights


class Guarded(Stage):
    """Run a stage; undo it if the clusters of neighbours agree less afterwards.

    This check needs no classes. It needs a result from before and a graph of
    neighbours; without these, the result of the stage is kept.

    Parameters
    ----------
    stage : Stage
        The stage.
    most_lost : float, optional
        The share of `neighbor_information` that may be lost. By default it is 1.5 times
        the share of the nearest neighbours that are in other clusters before the stage.
        Where nearly all are in the same, clusters are as good as neighbours can tell,
        and to leave them does harm. Where many are not, neighbours err, and a stage
        that learns from the images may know better.
    warning : str, optional
        The warning if the stage is undone.
    """

    def __init__(
        self,
        stage: Stage,
        most_lost: float | None = None,
        *,
        warning: str | None = None,
    ) -> None:
        self.stage = stage
        self.most_lost = most_lost
        self.warning = warning

    @property
    def name(self) -> str:  # type: ignore[override]  # that of the instance's stage
        """The name of the stage."""
        return self.stage.name

    @property
    def n_epochs(self) -> int:
        """The epochs of the stage."""
        return self.stage.n_epochs

    def draws(self, material: Material) -> bool:
        """Return whether the stage draws from torch's global generators."""
        return self.stage.draws(material)

    def run(self, material: Material, found: Found | None, run: Run) -> Found:
        """Return what the stage finds, or what was found before."""
        body = material.trunk.body
        weights = copy_weights(body)
        after = self.stage.run(material, found, run)
        if found is None:
            return after
        graph = found.graph or material.graph
        if graph is None:
            return after
        old, new = (_labels(each) for each in (found, after))
        most_lost = self.most_lost
        if most_lost is None:
            apart = ~graph.nearest(N_PAIRS).agreeing(old)
            most_lost = MOST_LOST_OF_APART * float(apart.mean())
        if information_lost(old, new, graph) <= most_lost:
            return after
        body.load_state_dict(weights)
        if self.warning is not None:
            warn(self.warning, ConvergenceWarning)
        return found


def _labels(found: Found) -> NDArray[np.int64]:
    return found.decisions.labels.cpu().numpy()
