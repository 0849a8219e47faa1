"""A stage that is undone where it does harm."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages.base import Decisions, Found, Material, Stage
from sklearn_scan.core.warn import warn
from sklearn_scan.model_selection import information_lost
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.averaging import copy_weights


class Guarded(Stage):
    """Run a stage; undo it if the clusters of neighbours agree less afterwards.

    This check needs no classes. It needs a result from before and a graph of
    neighbours; without these, the result of the stage is kept.

    Parameters
    ----------
    stage : Stage
        The stage.
    most_lost : float
        The share of `neighbor_information` that may be lost.
    warning : str, optional
        The warning if the stage is undone.
    """

    def __init__(
        self, stage: Stage, most_lost: float, *, warning: str | None = None
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
        lost = _share_lost(found.decisions, after.decisions, graph)
        if lost <= self.most_lost:
            return after
        body.load_state_dict(weights)
        if self.warning is not None:
            warn(self.warning, ConvergenceWarning)
        return found


def _share_lost(before: Decisions, after: Decisions, graph: NeighborGraph) -> float:
    old, new = (each.labels.cpu().numpy() for each in (before, after))
    return information_lost(old, new, graph)
