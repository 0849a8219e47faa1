"""The second stage: what a head is sure of teaches it the rest.

Source: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
ECCV 2020, section 2.3. There, strong augmentation of the images keeps the stage from
teaching a head its own errors. On features it can do so, and undoes itself then.
"""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan._device import make_generator
from sklearn_scan.heads import ClusterHeads
from sklearn_scan.model_selection import neighbor_information
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.objectives import SelfLabelLoss
from sklearn_scan.training import View, ViewPairs, fit_loop, unchanged

__all__ = ["SelfLabeled", "self_label"]

# The share of the neighbours' information that the stage may lose and still be kept.
# On the features of eight sets, fits that lost at most 0.2 % gained up to 1.5 points of
# accuracy, and fits that lost 1 % or more lost up to 13 points.
_TOLERANCE = 0.005


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class SelfLabeled:
    """What came of the second stage.

    Parameters
    ----------
    head : ClusterHeads
        The trained head, or the one given where the stage was left out or undone.
    kept : bool
        Whether it is the trained one.
    history : list of dict
        The terms of the loss, epoch by epoch; empty if no sample was confident.
    """

    head: ClusterHeads
    kept: bool
    history: list[dict[str, float | str]]


def self_label(
    head: ClusterHeads,
    features: Tensor,
    neighbors: NeighborGraph,
    *,
    confidence_threshold: float = 0.99,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    strong_view: View = unchanged,
    verbose: int = 0,
) -> SelfLabeled:
    """Train a head on the labels that it is confident of itself.

    The result is kept unless the clusters then tell clearly less of the neighbours'
    clusters than before (by over 0.5 % of `neighbor_information`): a check that needs
    no labels.

    Parameters
    ----------
    head : ClusterHeads
        A single head, the first stage's best. It is left as it is.
    features : Tensor of shape (n, d)
        What the head was trained on.
    neighbors : NeighborGraph
        The neighbours of each sample.
    confidence_threshold : float, default=0.99
        The probability above which a sample teaches.
    n_epochs, batch_size : int
        The passes over all samples, and how many samples a step looks at.
    learning_rate : float
        Adam's.
    seed : int
        For the order of the samples.
    strong_view : callable, default=unchanged
        The augmented view that learns the label of the plain one.
    verbose : int
        Above zero, shows a progress bar.

    Returns
    -------
    SelfLabeled
        The head, and whether it is the trained one.

    Warns
    -----
    ConvergenceWarning
        If no sample is confident at the outset.
    """
    with torch.no_grad():
        confidence = head(features)[0].softmax(dim=-1).amax(dim=-1)
    if not bool((confidence > confidence_threshold).any()):
        warnings.warn(
            f"Self-labelling was skipped: no sample's largest probability exceeds "
            f"confidence_threshold={confidence_threshold} (the highest is "
            f"{confidence.max():.3f}). The first stage's clusters stand. Lower "
            "confidence_threshold or raise max_epochs.",
            ConvergenceWarning,
            stacklevel=2,
        )
        return SelfLabeled(head, kept=False, history=[])
    trained = copy.deepcopy(head)
    pairs = ViewPairs(
        features,
        batch_size,
        generator=make_generator(seed),
        partner_view=strong_view,
    )
    history = fit_loop(
        trained,
        SelfLabelLoss(confidence_threshold),
        pairs,
        torch.optim.Adam(trained.parameters(), learning_rate, fused=True),
        n_epochs=n_epochs,
        stage="self-labelling",
        verbose=verbose,
    )
    before = _information(head, features, neighbors)
    after = _information(trained, features, neighbors)
    kept = after >= (1 - _TOLERANCE) * before
    return SelfLabeled(trained if kept else head, kept, history)


@torch.no_grad()
def _information(
    head: ClusterHeads, features: Tensor, neighbors: NeighborGraph
) -> float:
    """Return what labels tell of the neighbours' labels, whatever their confidence."""
    labels = head(features)[0].argmax(dim=1)
    decided = F.one_hot(labels, head.n_clusters).float().cpu().numpy()
    return neighbor_information(decided, neighbors)
