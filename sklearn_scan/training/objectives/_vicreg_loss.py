"""Invariance, variance and covariance (Bardes et al., 2022, equations 1 to 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.training.objectives._base import Objective, Outputs, Terms

_TARGET = 1.0  # the standard deviation that is enough
_EPSILON = 1e-4


class VICRegLoss(Objective):
    r"""Views of an image are alike, and outputs differ between images.

    For the outputs :math:`z_i` of view :math:`i`, of :math:`b` images and :math:`d`
    features, with standard deviations :math:`\sigma_{ik}` and the covariance matrix
    :math:`C_i`,

    .. math:: s_{ij} = \frac{1}{b d} \sum_a \lVert z_{ia} - z_{ja} \rVert^2 \qquad
              v_i = \frac{1}{d} \sum_k \max(0, 1 - \sigma_{ik}) \qquad
              c_i = \frac{1}{d} \sum_{k \neq l} C_{ikl}^2

    The loss is the weighted sum of the mean of :math:`s` over all pairs of views, and
    the means of :math:`v` and :math:`c` over the views. The variance keeps the outputs
    from becoming all alike, and the covariance keeps features from telling the same.
    (In the paper's equation, s is not divided by d; the weights are for it divided. It
    has the sums of v and c over its two views.)

    Parameters
    ----------
    invariance_weight, variance_weight, covariance_weight : float
        The weights of the three terms.

    References
    ----------
    .. [1] A. Bardes, J. Ponce, Y. LeCun, "VICReg: Variance-Invariance-Covariance
       Regularization for Self-Supervised Learning", ICLR 2022, arXiv:2105.04906.

    Examples
    --------
    >>> alike = torch.ones(1, 4, 3)
    >>> terms = VICRegLoss().losses((alike, alike), torch.arange(4))
    >>> {name: round(term.item(), 2) for name, term in terms.items()}
    {'invariance': 0.0, 'variance': 24.75, 'covariance': 0.0}
    """

    def __init__(
        self,
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.invariance_weight = invariance_weight
        self.variance_weight = variance_weight
        self.covariance_weight = covariance_weight

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the terms of the outputs of two or more views of each image."""
        views = torch.stack(outputs, dim=1)  # (h, v, b, d)
        _, n_views, n_images, n_outputs = views.shape
        # the mean over pairs, from the distances to the mean view
        from_mean = (views - views.mean(dim=1, keepdim=True)).square().mean(dim=(2, 3))
        invariance = 2 / (n_views - 1) * from_mean.sum(dim=1)
        centered = views - views.mean(dim=2, keepdim=True)
        covariance = centered.mT @ centered / max(n_images - 1, 1)  # (h, v, d, d)
        variances = covariance.diagonal(dim1=2, dim2=3)  # (h, v, d)
        missing = (_TARGET - (variances + _EPSILON).sqrt()).clamp_min(0)
        off_diagonal = covariance.square().sum(dim=(2, 3)) - variances.square().sum(-1)
        return {
            "invariance": self.invariance_weight * invariance,
            "variance": self.variance_weight * missing.mean(dim=(1, 2)),
            "covariance": self.covariance_weight * off_diagonal.mean(1) / n_outputs,
        }
