"""The first stage: cluster heads on which neighbours agree.

The heads train on features held in memory. A trained backbone would bring its own
`ViewPairs` over images and its own module; the loop and the choice of the head stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_scan._device import make_generator
from sklearn_scan.heads import ClusterHeads
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.objectives import Objective
from sklearn_scan.training import ViewPairs, evaluate, fit_loop

__all__ = ["TrainedHeads", "suggest_learning_rate", "train_heads"]

# The heads are compared on several draws of neighbours, in batches large enough for
# the spread of clusters in a batch to be that of the whole set.
_COMPARISON_DRAWS = 5
_COMPARISON_BATCH = 2**14

# Adam's on cached features; the paper's 1e-4 is for a trained backbone.
_LEAST_RATE, _MOST_RATE = 1e-3, 0.1
# How far a logit must be able to move in training for its head to grow confident.
_LOGIT_TRAVEL = 50.0


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class TrainedHeads:
    """The heads after the first stage.

    Parameters
    ----------
    heads : ClusterHeads
        All heads.
    losses : Tensor of shape (n_heads,)
        The objective of each head over all samples and their neighbours.
    history : list of dict
        The terms of the loss, epoch by epoch.
    """

    heads: ClusterHeads
    losses: Tensor
    history: list[dict[str, float | str]]

    @property
    def best_head(self) -> int:
        """The head of the lowest loss."""
        return int(self.losses.argmin())


def suggest_learning_rate(n_features: int, n_steps: int) -> float:
    """Return a rate at which few steps on few features still come to a decision.

    Adam moves a weight by about its rate each step, and so a logit of standardised
    features by up to `n_features` times as much.

    Parameters
    ----------
    n_features, n_steps : int
        The size of a feature vector, and the number of steps in training.

    Returns
    -------
    float
        From 1e-3, for all but small sets, to 0.1.

    Examples
    --------
    >>> suggest_learning_rate(n_features=384, n_steps=10_000)
    0.001
    >>> suggest_learning_rate(n_features=10, n_steps=100)
    0.05
    """
    rate = _LOGIT_TRAVEL / (n_features * n_steps)
    return min(max(rate, _LEAST_RATE), _MOST_RATE)


def train_heads(
    features: Tensor,
    neighbors: NeighborGraph,
    objective: Objective,
    *,
    n_clusters: int,
    n_heads: int,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    verbose: int = 0,
) -> TrainedHeads:
    """Train `n_heads` heads at once so that a sample and its neighbours agree.

    Parameters
    ----------
    features : Tensor of shape (n, d)
        Standardised features, on the device to train on.
    neighbors : NeighborGraph
        The neighbours of each sample.
    objective : Objective
        The loss of the logits of anchors and neighbours.
    n_clusters, n_heads, n_epochs, batch_size : int
        The size of the task.
    learning_rate : float
        Adam's.
    seed : int
        For the first weights, the order and the neighbours drawn.
    verbose : int
        Above zero, shows a progress bar.

    Returns
    -------
    TrainedHeads
        The heads with the loss of each.
    """
    generator = make_generator(seed)
    heads = ClusterHeads(
        features.shape[1], n_clusters, n_heads, generator=generator
    ).to(features.device)

    def pairs(batch_size: int) -> ViewPairs:
        return ViewPairs(
            features,
            batch_size,
            generator=generator,
            draw_partners=lambda: neighbors.sample(generator).to(features.device),
        )

    optimizer = torch.optim.Adam(heads.parameters(), learning_rate, fused=True)
    history = fit_loop(
        heads,
        objective,
        pairs(batch_size),
        optimizer,
        n_epochs=n_epochs,
        stage="SCAN",
        verbose=verbose,
    )
    comparison = pairs(_COMPARISON_BATCH)
    losses = evaluate(heads, objective, comparison, n_passes=_COMPARISON_DRAWS)
    return TrainedHeads(heads, losses, history)
