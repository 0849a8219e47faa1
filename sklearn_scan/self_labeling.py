"""The second stage: what a head is sure of teaches it the rest.

Source: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
ECCV 2020, section 2.3.
"""

from __future__ import annotations

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from sklearn_scan._device import make_generator
from sklearn_scan.heads import ClusterHeads
from sklearn_scan.objectives import SelfLabelLoss
from sklearn_scan.training import View, ViewPairs, fit_loop, unchanged

__all__ = ["self_label"]


def self_label(
    head: ClusterHeads,
    features: Tensor,
    *,
    confidence_threshold: float = 0.99,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    strong_view: View = unchanged,
    verbose: int = 0,
) -> list[dict[str, float | str]]:
    """Train `head`, in place, on the labels that it is confident of itself.

    Parameters
    ----------
    head : ClusterHeads
        A single head, the first stage's best.
    features : Tensor of shape (n, d)
        What the head was trained on.
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
    list of dict
        The terms of the loss, epoch by epoch; empty if no sample was confident.

    Warns
    -----
    ConvergenceWarning
        If no sample is confident at the outset; the head is left as it was.
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
        return []
    pairs = ViewPairs(
        features,
        batch_size,
        generator=make_generator(seed),
        partner_view=strong_view,
    )
    return fit_loop(
        head,
        SelfLabelLoss(confidence_threshold),
        pairs,
        torch.optim.Adam(head.parameters(), learning_rate, fused=True),
        n_epochs=n_epochs,
        stage="self-labelling",
        verbose=verbose,
    )
