"""Scores of heads, by which one of several is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.model_selection._modularity import (
    count_neighbors,
    neighbor_modularity,
)
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.heads import Heads, label_all, linear_generalization


def score_heads(heads: Heads, features: Tensor, neighbors: NeighborGraph) -> Tensor:
    """Return the score of each head's clusters, as in `label_free_score`.

    It is multiplied by the share of clusters that a head uses, of those that the best
    head uses, since users ask for a number of clusters.

    Parameters
    ----------
    heads : Heads
        Heads of these features.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.
    neighbors : NeighborGraph
        Their neighbours; as many are used as in `label_free_score`.

    Returns
    -------
    Tensor of shape (n_heads,)
        On the CPU; higher is better.
    """
    # of few samples, the neighbours that heads are trained with may be most of them
    neighbors = neighbors.nearest(count_neighbors(len(features)))
    labels = label_all(heads, features)
    n_used = torch.tensor([len(of_head.unique()) for of_head in labels])
    scores = score_partitions(labels, features, neighbors)
    return scores * n_used / n_used.max()


def score_partitions(
    partitions: Tensor, features: Tensor, neighbors: NeighborGraph
) -> Tensor:
    """Return the modularity of partitions (p, n), times their linear generalisation."""
    # On 25 sets of features, balanced and not, heads chosen by this score were as good
    # as k-means or better on each. With information in the place of modularity, or over
    # a power of the entropy, they were better on some sets and worse on others.
    found_again = linear_generalization(partitions, features).cpu()
    shared = [neighbor_modularity(each, neighbors) for each in partitions.cpu().numpy()]
    return torch.tensor(shared) * found_again
