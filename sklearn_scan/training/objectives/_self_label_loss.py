"""The self-labelling loss (Van Gansbeke et al., 2020, section 2.3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._balance import balance
from sklearn_scan.training.objectives._base import PairObjective, Terms


class SelfLabelLoss(PairObjective):
    """Cross-entropy of the strong view with the confident labels of the weak view.

    An anchor is confident if its largest probability is above the threshold. Its label
    is its most probable cluster. All clusters with confident anchors have the same
    weight: the loss is the mean over clusters of the mean over their members. If no
    anchor is confident, the loss is zero.

    Parameters
    ----------
    threshold : float or Tensor of shape (n_clusters,)
        The probability that an anchor must exceed, for all clusters or for each. It may
        be replaced between steps.

    Examples
    --------
    >>> import torch
    >>> weak = torch.tensor([[[9.0, 0.0], [0.1, 0.0]]])  # one sure, one unsure anchor
    >>> strong = torch.zeros(1, 2, 2)
    >>> SelfLabelLoss(0.99)(weak, strong)["cross_entropy"].round(decimals=3)
    tensor([0.6930])
    """

    threshold: Tensor

    def __init__(self, threshold: float | Tensor = 0.99) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.as_tensor(threshold))

    def terms(self, anchor: Tensor, partner: Tensor) -> Terms:
        """Return the balanced cross-entropy of each head."""
        confidence, labels = anchor.detach().softmax(dim=-1).max(dim=-1)  # (h, b)
        confident = confidence > self.threshold.expand(anchor.shape[-1])[labels]
        weights = balance(labels, confident, anchor.shape[-1])
        losses = F.cross_entropy(
            partner.flatten(0, 1), labels.flatten(), reduction="none"
        ).view_as(weights)
        return {"cross_entropy": torch.sum(weights * losses, dim=1)}
