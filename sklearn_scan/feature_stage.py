"""The first stage on features as they are: heads that start from partitions.

Heads of random weights settle in clusters near by, so that one head differs from the
next by many points. Here each starts from a partition of all samples, trains by the
SCAN loss, and the one is kept whose clusters neighbours share most.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor

from sklearn_scan.clustering import TrainedHeads, train_heads
from sklearn_scan.heads import ClusterHeads, Heads
from sklearn_scan.model_selection import neighbor_score
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.objectives import ScanLoss
from sklearn_scan.partitions import several_partitions
from sklearn_scan.subspace import principal_axes
from sklearn_scan.trunks import FeatureTrunk

__all__ = ["fit_heads_to", "label_all", "train_on_features"]

# Heads learn in the subspace of the largest variances, several times as fast: on
# features of length 1,280 they were as good in it.
MOST_AXES = 256
# The logit that ridge regression aims at for a sample's cluster: heads begin decided,
# and can still change their mind.
_SCALE = 8.0
_RIDGE = 0.1  # for each sample
_ROWS = 2**14  # of the features, at once


def train_on_features(
    features: Tensor,
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
    features : Tensor of shape (n, d)
        The samples, about their mean.
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
    axes = principal_axes(features, MOST_AXES)
    inside = features @ axes
    scale = inside.square().mean().sqrt().clamp_min(torch.finfo(inside.dtype).eps)
    inside, axes = inside / scale, axes / scale
    n_partitions = -(-n_heads // len(entropy_weights))
    drawn = draw_partitions(inside, neighbors, n_clusters, n_partitions, seed)
    order = torch.arange(n_heads, device=drawn.device)
    starts = drawn[order % n_partitions]
    if isinstance(prior, str):
        prior = count_shares(starts, n_clusters)
    weights = torch.tensor(entropy_weights, device=drawn.device)[order // n_partitions]
    trained = train_heads(
        FeatureTrunk(inside),
        neighbors,
        ScanLoss(weights, prior).to(inside.device),
        n_clusters=n_clusters,
        n_heads=n_heads,
        n_epochs=n_epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        first_heads=fit_heads_to(starts, inside, n_clusters),
        stage=stage,
        verbose=verbose,
    )
    return TrainedHeads(
        trained.heads.behind(axes),
        trained.losses,
        trained.history,
        score_labels(label_all(trained.heads, inside), neighbors),
    )


def draw_partitions(
    features: Tensor,
    neighbors: NeighborGraph,
    n_clusters: int,
    n_partitions: int,
    seed: int,
) -> Tensor:
    """Return several partitions, int64 (n_partitions, n), clusters by falling size."""
    partitions = several_partitions(
        features.cpu().numpy(),
        neighbors,
        n_clusters,
        n_partitions,
        check_random_state(seed),
    )
    numbered = [_number_by_size(labels, n_clusters) for labels in partitions]
    return torch.from_numpy(np.stack(numbered)).to(features.device)


def _number_by_size(labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    order = np.argsort(-np.bincount(labels, minlength=n_clusters), kind="stable")
    rank: NDArray[np.int64] = np.argsort(order)
    return rank[labels]


def fit_heads_to(partitions: Tensor, features: Tensor, n_clusters: int) -> ClusterHeads:
    """Return heads whose logits are the ridge regression to each partition.

    Parameters
    ----------
    partitions : Tensor of int64, shape (n_heads, n)
        The cluster of each sample, for each head.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.
    n_clusters : int
        How many clusters a partition may have.
    """
    n_samples, dim = features.shape
    products = features.T @ features
    products.diagonal().add_(_RIDGE * n_samples)
    sums = features.new_zeros(len(partitions), n_clusters, dim)
    for of_clusters, labels in zip(sums, partitions, strict=True):
        of_clusters.index_add_(0, labels, features)
    weight = torch.linalg.solve(products, sums.flatten(0, 1).T).T
    return ClusterHeads.from_weights(
        _SCALE * weight.reshape(sums.shape),
        _SCALE * (count_shares(partitions, n_clusters) - 1 / n_clusters),
    )


def count_shares(partitions: Tensor, n_clusters: int) -> Tensor:
    """Return the share of the samples in each cluster, (n_partitions, n_clusters)."""
    counts = [labels.bincount(minlength=n_clusters) for labels in partitions]
    return torch.stack(counts).float() / partitions.shape[1]


@torch.no_grad()
def label_all(heads: Heads, features: Tensor) -> Tensor:
    """Return the clusters that each head gives all samples, int64 (n_heads, n)."""
    return torch.cat([heads(rows).argmax(dim=2) for rows in features.split(_ROWS)], 1)


def score_labels(labels: Tensor, neighbors: NeighborGraph) -> Tensor:
    """Return the `neighbor_score` of each row of labels (n_heads, n)."""
    scores = [neighbor_score(of_head, neighbors) for of_head in labels.cpu().numpy()]
    return torch.tensor(scores)
