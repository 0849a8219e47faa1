"""BYOL with prototypes that repel each other (Huang et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._base import Outputs, Terms, mean_of_pairs
from sklearn_scan.training.objectives._prediction_loss import PredictionLoss

_TEMPERATURE = 0.5


class PrototypeLoss(PredictionLoss):
    r"""The loss of predictions, and a contrast between the prototypes of clusters.

    A prototype is the mean projection of a cluster's images in the batch, at unit
    length: :math:`c_{ik}` of view :math:`i` and cluster :math:`k` by the network that
    is trained, :math:`c'_{jk}` by the target network. To the prediction loss comes, as
    the mean over views :math:`i \neq j` and the clusters in the batch,

    .. math:: -w \log \frac{\exp(c_{ik}^T c'_{jk} / \tau)}
              {\exp(c_{ik}^T c'_{jk} / \tau)
              + \sum_{l \neq k} \exp(c_{ik}^T c_{il} / \tau)}

    with :math:`\tau = 0.5`. It is zero as long as no image has a label.

    Parameters
    ----------
    n_samples : int
        The number of images.
    n_prototypes : int
        The number of clusters.
    weight : float
        The weight :math:`w` of the contrast; the paper uses 0.1.
    n_views : int, default=2
        The number of views of an image, at least 2.

    Attributes
    ----------
    labels : Tensor of int64, shape (n_samples,)
        The cluster of each image; -1 for none, as at first. The targets of a batch are
        rows of it.

    References
    ----------
    .. [1] Z. Huang et al., "Learning Representation for Clustering via Prototype
       Scattering and Positive Sampling" (ProPos), TPAMI 2022, arXiv:2111.11821.
    """

    labels: Tensor

    def __init__(
        self, n_samples: int, n_prototypes: int, weight: float, n_views: int = 2
    ) -> None:
        super().__init__(n_views)
        self.n_prototypes = n_prototypes
        self.weight = weight
        self.register_buffer("labels", torch.full((n_samples,), -1))

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the mean loss of the predictions, and that of the prototypes.

        Parameters
        ----------
        outputs : three Tensors of shape (n_heads, v * b, d)
            Predictions, their targets, and the projections of the trained network.
        targets : Tensor of int64, shape (b,)
            The images' rows in `labels`.
        """
        _, goals, projections = outputs
        contrast = self._contrast(projections, goals.detach(), self.labels[targets])
        terms = super().losses(outputs, targets)
        return terms | {"prototypes": self.weight * contrast}

    def _contrast(self, projections: Tensor, goals: Tensor, labels: Tensor) -> Tensor:
        """Return the mean contrast of the prototypes in the batch, (n_heads,)."""
        numbers = torch.arange(self.n_prototypes, device=labels.device)
        members = (numbers.unsqueeze(1) == labels).to(projections.dtype)  # (K, b)
        online, target = (
            F.normalize(members @ self._unit_views(part), dim=-1)
            for part in (projections, goals)
        )  # (h, v, K, d)
        is_there = members.any(dim=1)  # (K,)
        is_other = is_there & ~torch.eye(
            self.n_prototypes, dtype=torch.bool, device=labels.device
        )
        lowest = torch.finfo(online.dtype).min
        repulsion = (online @ online.mT / _TEMPERATURE).masked_fill(~is_other, lowest)
        attraction = torch.einsum("hikd,hjkd->hijk", online, target) / _TEMPERATURE
        losses = F.softplus(repulsion.logsumexp(-1).unsqueeze(2) - attraction)
        of_views = (losses * is_there).sum(dim=-1) / is_there.sum().clamp_min(1)
        return mean_of_pairs(of_views)
