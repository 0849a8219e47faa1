"""The first stage on features as they are: heads that start from partitions.

Heads of random weights settle in clusters near by, so that one head differs from the
next by many points. Here each starts from a partition of all samples, trains by the
SCAN loss, and the one is kept whose clusters neighbours share most and a linear model
finds again. Of many samples, a part is drawn for the partitions and for the scores; the
heads are trained on all of them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from sklearn_scan.clusterers.stages.clustering import TrainedHeads, train_heads
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.core.features import center_blocks
from sklearn_scan.core.mapped_rows import through
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

__all__ = ["train_on_features"]

_LEAST_NEIGHBORS = 3


def train_on_features(
    trunk: FeatureTrunk,
    neighbors: NeighborGraph,
    *,
    n_clusters: int,
    n_heads: int,
    entropy_weights: tuple[float, ...],
    prior: Tensor | str | None = None,
    n_epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    stage: str = "SCAN",
    verbose: int = 0,
) -> TrainedHeads:
    """Train heads from several partitions; score each by what neighbours share.

    Parameters
    ----------
    trunk : FeatureTrunk
        The samples, about their mean, mapped or in memory; of several spaces each has
        heads of its own.
    neighbors : NeighborGraph
        Their neighbours.
    n_clusters, n_heads : int
        The size of the heads.
    entropy_weights : tuple of float
        The weights λ of the SCAN loss. As many heads have each of them, and start from
        the same partitions.
    prior : Tensor of shape (n_clusters,), "auto" or None
        The proportions of the clusters, from the largest to the smallest; those of the
        partition that a head starts from; or equal ones.
    n_epochs, batch_size : int
        The passes over the samples, and how many of them a step looks at.
    learning_rate : float
        Adam's.
    seed : int
        For all that is drawn.
    stage : str, default="SCAN"
        The name in the history and on the progress bar.
    verbose : int
        Above zero, shows a progress bar.

    Returns
    -------
    TrainedHeads
        The heads, on the features given, with the loss and the score of each.
    """
    # of few samples, more neighbours than a quarter are of no one cluster
    neighbors = neighbors.nearest(max(_LEAST_NEIGHBORS, len(trunk.samples) // 4))
    drawn, near, subspaces = _draw(trunk, neighbors, seed)
    n_partitions = -(-n_heads // len(entropy_weights))
    partitions = draw_partitions(drawn, near, n_clusters, n_partitions, seed)
    order = torch.arange(n_heads, device=trunk.device)
    starts = partitions[order % n_partitions]
    if isinstance(prior, str):
        prior = count_shares(starts, n_clusters)
    weights = torch.tensor(entropy_weights, device=trunk.device)[order // n_partitions]
    inside = drawn
    if len(drawn.samples) < len(trunk.samples):
        inside = FeatureTrunk(through(subspaces.project, trunk.samples), subspaces.dims)
    trained = train_heads(
        inside,
        neighbors,
        ScanLoss(weights, prior).to(trunk.device),
        n_clusters=n_clusters,
        n_heads=n_heads,
        n_epochs=n_epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        first_heads=_start_heads(starts, drawn, n_clusters),
        stage=stage,
        verbose=verbose,
    )
    return TrainedHeads(
        subspaces.lift(split_heads(trained.heads)),
        trained.losses,
        trained.history,
        score_heads(trained.heads, _in_memory(drawn), near),
    )


def _draw(
    trunk: FeatureTrunk, neighbors: NeighborGraph, seed: int
) -> tuple[FeatureTrunk, NeighborGraph, PrincipalAxes]:
    """Return a sample of the samples, its neighbours in itself, and the subspaces.

    Of few in many, the neighbours of each are nearly all among those not drawn.
    """
    features = draw_sample(trunk.samples, seed)
    subspaces = PrincipalAxes.of(features, trunk.dims, MOST_AXES).scaled_to(features)
    drawn = FeatureTrunk(subspaces.project(features), subspaces.dims)
    if len(features) == len(trunk.samples):
        return drawn, neighbors, subspaces
    unscaled = features if trunk.scale is None else features * trunk.scale
    near = mine_neighbors(
        center_blocks(unscaled, trunk.dims),
        min(neighbors.n_neighbors, len(features) - 1),
        method="exact",
        device=trunk.device,
    )
    return drawn, near, subspaces


def draw_partitions(
    trunk: FeatureTrunk,
    neighbors: NeighborGraph,
    n_clusters: int,
    n_partitions: int,
    seed: int,
) -> Tensor:
    """Return several partitions, int64 (n_partitions, n), clusters by falling size."""
    # distances in which wide spaces weigh no more than narrow ones
    spaces = [space / space.shape[1] ** 0.5 for space in _spaces(trunk)]
    partitions = several_partitions(
        torch.cat(spaces, dim=1).cpu().numpy(),
        neighbors,
        n_clusters,
        n_partitions,
        check_random_state(seed),
    )
    numbered = [_number_by_size(labels, n_clusters) for labels in partitions]
    return torch.from_numpy(np.stack(numbered)).to(trunk.device)


def _number_by_size(labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    order = np.argsort(-np.bincount(labels, minlength=n_clusters), kind="stable")
    rank: NDArray[np.int64] = np.argsort(order)
    return rank[labels]


def _start_heads(partitions: Tensor, trunk: FeatureTrunk, n_clusters: int) -> Heads:
    heads = [start_heads_at(partitions, space, n_clusters) for space in _spaces(trunk)]
    return join_heads(heads, trunk.dims)


def _spaces(trunk: FeatureTrunk) -> tuple[Tensor, ...]:
    return _in_memory(trunk).split(list(trunk.dims), dim=1)


def _in_memory(trunk: FeatureTrunk) -> Tensor:
    assert isinstance(trunk.samples, Tensor)  # for mypy: such are those drawn
    return trunk.samples
