"""The normalised temperature-scaled cross-entropy (Chen et al., 2020, equation 1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._base import (
    Objective,
    Outputs,
    Terms,
    mean_of_pairs,
)


class ContrastiveLoss(Objective):
    r"""Views of an image attract each other and repel the batch's views of others.

    With the cosine similarity :math:`s`, the loss of a view :math:`i` and another view
    :math:`j` of its image is

    .. math:: -\log \frac{\exp(s_{ij} / \tau)}
              {\exp(s_{ij} / \tau) + \sum_k \exp(s_{ik} / \tau)}

    where :math:`k` are all views of the other images. It is averaged over all pairs
    :math:`i, j`. (With two views an image, as in the paper, these are all views in the
    batch.)

    Parameters
    ----------
    temperature : float
        The divisor :math:`\tau` of the cosine similarities.

    References
    ----------
    .. [1] T. Chen et al., "A Simple Framework for Contrastive Learning of Visual
       Representations" (SimCLR), ICML 2020, arXiv:2002.05709.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, *views: Tensor) -> Terms:
        """Return the mean loss over all pairs of views, each view (n_heads, b, d)."""
        n_views, (n_heads, n_images, _) = len(views), views[0].shape
        rows = F.normalize(torch.cat(views, dim=1), dim=-1)  # (h, v * b, d)
        logits = rows @ rows.mT / self.temperature  # (h, v * b, v * b)
        own = torch.eye(n_images, dtype=torch.bool, device=rows.device)
        # not -inf: a single image has no others, and a gradient would be NaN
        lowest = torch.finfo(logits.dtype).min
        others = logits.masked_fill(own.repeat(n_views, n_views), lowest)
        repulsion = others.logsumexp(dim=-1).view(n_heads, n_views, 1, n_images)
        blocks = logits.view(n_heads, n_views, n_images, n_views, n_images)
        attraction = blocks.diagonal(dim1=2, dim2=4)  # (h, v, v, b)
        losses = F.softplus(repulsion - attraction).mean(dim=-1)  # (h, v, v)
        return {"contrastive": mean_of_pairs(losses)}

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the loss of the outputs of two or more views of each image."""
        terms: Terms = self(*outputs)
        return terms
