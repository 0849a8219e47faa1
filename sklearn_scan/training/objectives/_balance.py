"""Weights with which large clusters teach no more than small ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def balance(labels: Tensor, chosen: Tensor, n_clusters: int) -> Tensor:
    """Return the weight of each sample, so that all clusters have the same weight.

    Parameters
    ----------
    labels : Tensor of int64, shape (n_heads, b)
        The cluster of each sample.
    chosen : Tensor of bool, shape (n_heads, b)
        Which samples count.
    n_clusters : int
        The number of clusters.

    Returns
    -------
    Tensor of float32, shape (n_heads, b)
        They sum to one in each head, or to zero where no sample is chosen.
    """
    members = F.one_hot(labels, n_clusters) * chosen.unsqueeze(-1)
    counts = members.sum(dim=1)  # (h, c)
    present = (counts > 0).sum(dim=-1, keepdim=True)
    weights = 1.0 / (counts * present).clamp_min(1)  # (h, c)
    return torch.gather(weights, 1, labels) * chosen
