"""The first stage: cluster heads on which neighbours agree.

Source: Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
ECCV 2020, section 2.2.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from sklearn_scan.clusterers.trunks import Trunk
from sklearn_scan.core.random import make_generator
from sklearn_scan.core.rows import rows_at_once
from sklearn_scan.core.sampling import count_drawn
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.heads import ClusterHeads, Heads, join_heads
from sklearn_scan.training.loop import (
    Record,
    ViewPairs,
    count_batches,
    evaluate,
    fit_loop,
)
from sklearn_scan.training.objectives import Objective

__all__ = ["TrainedHeads", "make_adam", "suggest_learning_rate", "train_heads"]

# The heads are compared on several draws of neighbours, in batches large enough for
# the spread of clusters in a batch to be that of the whole set.
COMPARISON_DRAWS = 5
_COMPARISON_BATCH = 2**14
_COMPARISON_LOGITS = 2**23  # of all heads and clusters: 32 MB, several times over

# Adam's on cached features; the paper's 1e-4 is for a trained backbone.
_LEAST_RATE, _MOST_RATE = 1e-3, 0.1
# How far a logit must be able to move in training for its head to grow confident.
_LOGIT_TRAVEL = 50.0
_WEIGHT_DECAY = 1e-4  # the paper's, for a trained backbone


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class TrainedHeads:
    """The heads after the first stage.

    Parameters
    ----------
    heads : Heads
        All heads.
    losses : Tensor of shape (n_heads,)
        The objective of each head over samples and their neighbours: all of them, and
        65,536 drawn of more.
    history : list of dict
        The terms of the loss, epoch by epoch.
    scores : Tensor of shape (n_heads,)
        What the heads are chosen by, the higher the better; the loss with its sign
        changed, where nothing better is known.
    """

    heads: Heads
    losses: Tensor
    history: list[Record]
    scores: Tensor

    @property
    def best_head(self) -> int:
        """The head of the highest score."""
        return int(self.scores.argmax())

    def best_heads(self, n_heads: int) -> Heads:
        """Return the `n_heads` heads of the highest scores, best first."""
        best = self.scores.argsort(descending=True)[:n_heads]
        return self.heads.select(*best.tolist())


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
    trunk: Trunk,
    neighbors: NeighborGraph | None,
    objective: Objective,
    *,
    n_clusters: int,
    n_heads: int,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    first_heads: Heads | None = None,
    stage: str = "SCAN",
    verbose: int = 0,
) -> TrainedHeads:
    """Train `n_heads` heads at once so that a sample and its neighbours agree.

    A trunk that learns along is trained in place; it and the heads end with the
    weights of the epoch after which the best head's loss was lowest.

    Parameters
    ----------
    trunk : Trunk
        The samples, and what lies before the heads.
    neighbors : NeighborGraph or None
        The neighbours of each sample; None lets two views of a sample agree instead.
    objective : Objective
        The loss of the logits of anchors and neighbours.
    n_clusters, n_heads, n_epochs, batch_size : int
        The size of the task.
    learning_rate : float
        Adam's.
    seed : int
        For the first weights, the order and the neighbours drawn.
    first_heads : Heads, optional
        What to train; by default new heads of random weights.
    stage : str, default="SCAN"
        The name in the history and on the progress bar.
    verbose : int
        Above zero, shows a progress bar.

    Returns
    -------
    TrainedHeads
        The heads with the loss of each.
    """
    generator = make_generator(seed)
    heads = first_heads
    if heads is None:
        dims = trunk.dims
        spaces = [
            ClusterHeads(d, n_clusters, n_heads, generator=generator) for d in dims
        ]
        heads = join_heads(spaces, dims)
    heads = heads.to(trunk.device)
    draw = None if neighbors is None else partial(neighbors.sample, generator)
    compare = _Comparison(trunk, heads, objective, generator, draw)
    history = fit_loop(
        nn.Sequential(trunk.body, heads),
        objective,
        ViewPairs(
            trunk.samples,
            batch_size,
            generator=generator,
            anchor_view=trunk.strong_view,
            partner_view=trunk.strong_view,
            draw_partners=draw,
            device=trunk.device,
        ),
        make_adam(trunk, heads, learning_rate),
        n_epochs=n_epochs,
        autocast=trunk.autocast(),
        starts_good=first_heads is not None,
        after_epoch=compare if trunk.is_trained else None,
        stage=stage,
        verbose=verbose,
    )
    losses = compare.settle()
    return TrainedHeads(heads, losses, history, -losses)


class _Comparison:
    """Compares the heads, and the epochs, by their loss on plain samples."""

    def __init__(
        self,
        trunk: Trunk,
        heads: Heads,
        objective: Objective,
        generator: torch.Generator,
        draw_partners: Callable[[], Tensor] | None,
    ) -> None:
        self._trunk = trunk
        self._heads = heads
        self._module = nn.ModuleList([trunk.body, heads])
        self._objective = objective
        self._generator = generator
        self._draw_partners = draw_partners
        of_sample = heads.n_heads * heads.n_clusters
        self._batch_size = rows_at_once(
            of_sample, _COMPARISON_LOGITS, least=256, most=_COMPARISON_BATCH
        )
        self._best: tuple[Tensor, Mapping[str, Tensor]] | None = None

    def __call__(self, record: Record) -> bool:
        """Note the weights after an epoch if they are the best so far."""
        losses = self._losses()
        record["lowest_loss"] = losses.min().item()
        if self._best is None or losses.min() < self._best[0].min():
            self._best = losses, copy.deepcopy(self._module.state_dict())
        return False

    def settle(self) -> Tensor:
        """Load the best weights that were noted; return the losses of the heads."""
        if self._best is None:
            return self._losses()
        losses, weights = self._best
        self._module.load_state_dict(weights)
        return losses

    def _losses(self) -> Tensor:
        pairs = ViewPairs(
            self._trunk.features(),
            self._batch_size,
            generator=self._generator,
            draw_partners=self._draw_partners,
        )
        return evaluate(
            self._heads,
            self._objective,
            pairs,
            n_passes=COMPARISON_DRAWS,
            n_batches=count_compared(len(pairs.data), self._batch_size),
        )


def count_compared(n_samples: int, batch_size: int) -> int:
    """Return the batches in which heads are compared: of many samples, a part."""
    return COMPARISON_DRAWS * count_batches(count_drawn(n_samples), batch_size)


def make_adam(trunk: Trunk, heads: Heads, learning_rate: float) -> torch.optim.Adam:
    """Return Adam for heads, and for the trunk where it learns along."""
    parameters = [*heads.parameters()]
    if not trunk.is_trained:
        return torch.optim.Adam(parameters, learning_rate, fused=True)
    parameters += [p for p in trunk.body.parameters() if p.requires_grad]
    return torch.optim.Adam(
        parameters, learning_rate, weight_decay=_WEIGHT_DECAY, fused=True
    )
