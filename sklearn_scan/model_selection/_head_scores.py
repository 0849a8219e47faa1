"""Which of several heads to keep."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklearn_scan.heads import Heads
from sklearn_scan.model_selection._information import neighbor_score
from sklearn_scan.model_selection._label_free_score import count_neighbors
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.ridge import label_all, linear_generalization


def score_heads(heads: Heads, features: Tensor, neighbors: NeighborGraph) -> Tensor:
    """Return how well neighbours share each head's clusters, and a linear model them.

    As in `label_free_score`. A head that uses fewer clusters than another comes after
    it: they were asked for.

    Parameters
    ----------
    heads : Heads
        On these features.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.
    neighbors : NeighborGraph
        Their neighbours, of which as many are looked at as in `label_free_score`.

    Returns
    -------
    Tensor of shape (n_heads,)
        On the CPU; higher is better.
    """
    labels = label_all(heads, features)
    # of few samples, all neighbours that heads are trained with may be most of them
    neighbors = neighbors.nearest(count_neighbors(len(features)))
    shared = [neighbor_score(of_head, neighbors) for of_head in labels.cpu().numpy()]
    found_again = linear_generalization(labels, features).cpu()
    n_used = torch.tensor([len(of_head.unique()) for of_head in labels])
    limit = math.sqrt(math.log(heads.n_clusters))  # of what neighbours share
    return torch.tensor(shared) * found_again - limit * (n_used.max() - n_used)
