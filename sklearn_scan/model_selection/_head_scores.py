"""Scores of heads and of partitions, by which one of several is kept."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from sklearn_scan.model_selection._information import neighbor_information
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.heads import Heads, label_all, linear_generalization

# The nearest are of one class most often: of 3, .56 of textures with CLIP features and
# .98 of digits, of 20, .40 and .93. On 35 sets, partitions chosen by 3 neighbours were
# 2.6 points of accuracy below the best of their pool, by 5 2.8 and by 10 3.2.
N_NEAREST = 3
_LEAST_AGREEMENT = 1e-3


def score_heads(heads: Heads, features: Tensor, neighbors: NeighborGraph) -> Tensor:
    """Return the score of each head's clusters, times its agreement with the others.

    The score is that of `score_partitions`. Heads with similar scores may differ in
    accuracy, and a head that differs from all others is seldom the best. With the
    agreement, the choice among the six best partitions was 2.9 points below the best of
    all (the mean of 32 sets), and 3.6 without it. A head that leaves more clusters
    empty than another scores 0, because users ask for a number of clusters.

    Parameters
    ----------
    heads : Heads
        Heads of these features.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.
    neighbors : NeighborGraph
        Their neighbours; only the nearest three are used.

    Returns
    -------
    Tensor of shape (n_heads,)
        On the CPU; higher is better.
    """
    labels = label_all(heads, features)
    n_used = torch.tensor([len(of_head.unique()) for of_head in labels])
    scores = score_partitions(labels, features, neighbors) * mean_agreement(labels)
    return scores * (n_used == n_used.max())


def score_partitions(
    partitions: Tensor, features: Tensor, neighbors: NeighborGraph
) -> Tensor:
    """Return the neighbour information of partitions, times generalisation squared.

    Generalisation is squared because the model must find the clusters of two
    neighbours.

    Parameters
    ----------
    partitions : Tensor of int64, shape (n_partitions, n)
        The cluster of each sample, for each partition.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.
    neighbors : NeighborGraph
        Their neighbours; only the nearest three are used.

    Returns
    -------
    Tensor of shape (n_partitions,)
        On the CPU; higher is better.
    """
    # Modularity has a limit of resolution, and with many clusters prefers few large
    # ones: partitions that it chose were 5.3 points below the best.
    found_again = linear_generalization(partitions, features).cpu()
    nearest = neighbors.nearest(N_NEAREST)
    shared = [neighbor_information(each, nearest) for each in partitions.cpu().numpy()]
    return torch.tensor(shared, dtype=torch.float32) * found_again.square()


def mean_agreement(partitions: Tensor) -> Tensor:
    """Return the agreement of each of several partitions with the others.

    Parameters
    ----------
    partitions : Tensor of int64, shape (n_partitions, n)
        The cluster of each sample, for each partition.

    Returns
    -------
    Tensor of shape (n_partitions,)
        The mean normalised mutual information with the others, on the CPU; 1 for a
        single partition. It is at least 0.001, so that another factor decides if no
        partitions agree.
    """
    labels = partitions.cpu().numpy()
    shared = np.eye(len(labels))
    for first, second in zip(*np.triu_indices(len(labels), 1), strict=True):
        information = normalized_mutual_info_score(labels[first], labels[second])
        shared[first, second] = shared[second, first] = information
    n_others = len(labels) - 1
    of_others = (shared.sum(axis=1) - 1) / n_others if n_others else np.ones(1)
    return torch.from_numpy(of_others).float().clamp_min(_LEAST_AGREEMENT)
