"""Merged clusters, after people have corrected a clustering."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class MergedClusters(nn.Module):
    """Merge clusters into groups: the probability of a group is the sum of theirs.

    Parameters
    ----------
    groups : Tensor of int64, shape (n_clusters,)
        The group of each cluster.
    n_groups : int
        The number of groups. One without clusters has the probability 0.
    """

    groups: Tensor

    def __init__(self, groups: Tensor, n_groups: int) -> None:
        super().__init__()
        self.register_buffer("groups", groups)
        # as a number: values of tensors are unknown where a network is exported
        self.n_groups = n_groups

    def forward(self, logits: Tensor) -> Tensor:
        """Return the logits of the groups, (n_heads, b, n_groups)."""
        # of shape (n_clusters, n_groups)
        membership = F.one_hot(self.groups, self.n_groups).to(logits.dtype)
        return (logits.softmax(dim=2) @ membership).log()
