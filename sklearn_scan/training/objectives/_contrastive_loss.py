"""The normalised temperature-scaled cross-entropy (Chen et al., 2020, equation 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._base import PairObjective, Terms


class ContrastiveLoss(PairObjective):
    """Two views of an image attract each other and repel all the batch's other views.

    Parameters
    ----------
    temperature : float
        The divisor of the cosine similarities.

    References
    ----------
    .. [1] T. Chen et al., "A Simple Framework for Contrastive Learning of Visual
       Representations" (SimCLR), ICML 2020, arXiv:2002.05709.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def terms(self, anchor: Tensor, partner: Tensor) -> Terms:
        """Return the mean cross-entropy over the 2 b views."""
        views = F.normalize(torch.cat([anchor, partner], dim=1), dim=-1)  # (h, 2b, d)
        n_heads, n_views, _ = views.shape
        logits = views @ views.mT / self.temperature  # (h, 2b, 2b)
        itself = torch.eye(n_views, dtype=torch.bool, device=views.device)
        logits = logits.masked_fill(itself, -torch.inf)
        other_view = torch.arange(n_views, device=views.device).roll(n_views // 2)
        losses = F.cross_entropy(
            logits.flatten(0, 1), other_view.repeat(n_heads), reduction="none"
        )
        return {"contrastive": losses.view(n_heads, n_views).mean(dim=1)}
