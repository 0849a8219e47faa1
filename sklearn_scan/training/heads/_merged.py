"""Merged clusters, after people have corrected a clustering."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class MergedClusters(nn.Module):
    """Merge clusters into groups: the probability of a group is the sum of theirs."""

    groups: Tensor

    def __init__(self, groups: Tensor) -> None:
        super().__init__()
        self.register_buffer("groups", groups)
        # as a number: values of tensors are unknown where a network is exported
        self.n_groups = int(groups.max()) + 1

    def forward(self, logits: Tensor) -> Tensor:
        """Return the logits of the groups, (n_heads, b, n_groups)."""
        # of shape (n_clusters, n_groups)
        membership = F.one_hot(self.groups, self.n_groups).to(logits.dtype)
        return (logits.softmax(dim=2) @ membership).log()
