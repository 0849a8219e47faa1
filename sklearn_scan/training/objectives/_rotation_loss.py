"""The cross-entropy of quarter turns (Gidaris et al., 2018, equation 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._base import Objective, Terms


class RotationLoss(Objective):
    """How surprising it is by how many quarter turns images are turned.

    The outputs of a batch are those of the images turned 0, 1, 2, … times, one after
    the other; there are as many turns as outputs.

    References
    ----------
    .. [1] S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by
       Predicting Image Rotations", ICLR 2018, arXiv:1803.07728.
    """

    def losses(self, outputs: Tensor, targets: Tensor) -> Terms:
        """Return the mean cross-entropy of each head."""
        n_heads, n_views, n_turns = outputs.shape
        turns = torch.arange(n_turns, device=outputs.device)
        turns = turns.repeat_interleave(n_views // n_turns).repeat(n_heads)
        losses = F.cross_entropy(outputs.flatten(0, 1), turns, reduction="none")
        return {"rotation": losses.view(n_heads, n_views).mean(dim=1)}
