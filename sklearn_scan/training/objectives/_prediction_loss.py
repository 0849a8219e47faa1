"""The distance of predictions from targets (Grill et al., 2020, equation 2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._base import Objective, Outputs, Terms


class PredictionLoss(Objective):
    r"""What is predicted from a view is near the targets of its image's other views.

    With predictions :math:`p_i` and targets :math:`z_j` of unit length, of the views
    of an image,

    .. math:: L = \frac{1}{v (v - 1)} \sum_{i \neq j} (2 - 2 \, p_i^T z_j)

    BYOL and SimSiam minimise it. (SimSiam's equation leaves out the constant 2 and the
    factor 2.) The outputs are the predictions and the targets, each (n_heads, v * b,
    d), with one view after the other. There is no gradient by the targets.

    Parameters
    ----------
    n_views : int, default=2
        The number of views of an image, v; at least 2.

    References
    ----------
    .. [1] J.-B. Grill et al., "Bootstrap Your Own Latent: A New Approach to
       Self-Supervised Learning" (BYOL), NeurIPS 2020, arXiv:2006.07733.
    .. [2] X. Chen, K. He, "Exploring Simple Siamese Representation Learning"
       (SimSiam), CVPR 2021, arXiv:2011.10566.

    Examples
    --------
    >>> import torch
    >>> views = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])  # two of one image
    >>> PredictionLoss().losses((views, views), torch.tensor([0]))
    {'prediction': tensor([2.])}
    """

    def __init__(self, n_views: int = 2) -> None:
        super().__init__()
        self.n_views = n_views

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the mean loss over all pairs of different views.

        Parameters
        ----------
        outputs : Tensors of shape (n_heads, v * b, d)
            Predictions and their targets; what else there is has no part in it.
        targets : Tensor of int64, shape (b,)
            Not used.
        """
        predictions, goals = (self._unit_views(part) for part in outputs[:2])
        goals = goals.detach()
        # all pairs are those of the sums; the pairs of a view with itself are left out
        pairs = predictions.sum(dim=1) * goals.sum(dim=1)  # (h, b, d)
        pairs = pairs - (predictions * goals).sum(dim=1)
        n_pairs = self.n_views * (self.n_views - 1)
        cosine = pairs.sum(dim=-1).mean(dim=1) / n_pairs
        return {"prediction": 2 - 2 * cosine}

    def _unit_views(self, rows: Tensor) -> Tensor:
        """Return rows of unit length, (n_heads, v, b, d)."""
        n_heads, n_rows, n_outputs = rows.shape
        shape = (n_heads, self.n_views, n_rows // self.n_views, n_outputs)
        return F.normalize(rows, dim=-1).view(shape)
