"""The contrast of a view with a queue of past ones (He et al., 2020, equation 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._base import Outputs, PairObjective, Terms


class QueueLoss(PairObjective):
    """Anchors attract their partner and repel the partners of past batches.

    There may be several anchors, views of one image. The partner is the last output.

    Parameters
    ----------
    n_outputs : int
        The size of the projections.
    queue_size : int
        The number of partners that are remembered. At first they are random.
    temperature : float
        The divisor of the cosine similarities.
    generator : torch.Generator
        Draws the first queue.

    References
    ----------
    .. [1] K. He et al., "Momentum Contrast for Unsupervised Visual Representation
       Learning" (MoCo), CVPR 2020, arXiv:1911.05722.
    """

    queue: Tensor
    oldest: Tensor

    def __init__(
        self,
        n_outputs: int,
        queue_size: int,
        temperature: float = 0.2,
        *,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        start = torch.randn(queue_size, n_outputs, generator=generator)
        self.register_buffer("queue", F.normalize(start, dim=1))
        self.register_buffer("oldest", torch.tensor(0))

    def terms(self, anchor: Tensor, partner: Tensor) -> Terms:
        """Return the mean cross-entropy over the anchors of one view."""
        anchor, partner = F.normalize(anchor, dim=-1), F.normalize(partner, dim=-1)
        attraction = (anchor * partner).sum(dim=-1, keepdim=True)  # (h, b, 1)
        repulsion = anchor @ self.queue.T  # (h, b, queue)
        logits = torch.cat([attraction, repulsion], dim=-1) / self.temperature
        return {"contrastive": (logits.logsumexp(-1) - logits[..., 0]).mean(dim=1)}

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the mean over the views that are anchors."""
        *anchors, partner = outputs
        losses = [self(anchor, partner)["contrastive"] for anchor in anchors]
        return {"contrastive": torch.stack(losses).mean(dim=0)}

    def remember(self, outputs: Outputs, targets: Tensor) -> None:
        """Let the partners of the batch replace the oldest ones in the queue."""
        partners = F.normalize(outputs[-1][0], dim=1)[: len(self.queue)]
        places = torch.arange(len(partners), device=self.queue.device) + self.oldest
        self.queue[places % len(self.queue)] = partners
        self.oldest.add_(len(partners)).remainder_(len(self.queue))
