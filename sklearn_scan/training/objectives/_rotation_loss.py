"""The cross-entropy of quarter turns (Gidaris et al., 2018, equation 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._base import Objective, Outputs, Terms


class RotationLoss(Objective):
    """Cross-entropy of the number of quarter turns by which images are turned.

    There is one tensor of outputs for each number of turns: for the images turned 0, 1,
    2, … times.

    References
    ----------
    .. [1] S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by
       Predicting Image Rotations", ICLR 2018, arXiv:1803.07728.
    """

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the mean cross-entropy of each head."""
        losses = [
            F.cross_entropy(
                logits.flatten(0, 1),
                torch.full_like(logits[..., 0], n_turns, dtype=torch.long).flatten(),
                reduction="none",
            ).view(logits.shape[:2])
            for n_turns, logits in enumerate(outputs)
        ]
        return {"rotation": torch.cat(losses, dim=1).mean(dim=1)}
