"""The weighted triplet loss of JULE (Yang, Parikh and Batra, 2016, equation 12)."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.training.objectives._base import Objective, Outputs, Terms


class WeightedTripletLoss(Objective):
    r"""A triplet loss: a sample is nearer to its cluster than to other clusters.

    For an anchor, a positive of its cluster and a negative of another cluster, it is

    .. math:: \max(0, \gamma \lVert x_i - x_j \rVert^2
              - \lVert x_i - x_k \rVert^2 + m)

    The loss of a batch is the mean over its anchors and over all samples of other
    clusters. (The paper draws 20 of these, from the nearest clusters. Distant samples
    have no loss.)

    Parameters
    ----------
    labels : Tensor of int64, shape (n,)
        The cluster of each sample; the targets of a batch are rows of it. It is
        replaced when clusters are merged.
    margin : float, default=0.2
        How much nearer the sample should be, in squared distance; squared distances of
        rows of length one are at most 4.
    gamma : float, default=1.0
        The weight of the positive pair.

    References
    ----------
    .. [1] J. Yang, D. Parikh, D. Batra, "Joint Unsupervised Learning of Deep
       Representations and Image Clusters", CVPR 2016, arXiv:1604.03628.

    Examples
    --------
    >>> loss = WeightedTripletLoss(torch.tensor([0, 1]), margin=0.2)
    >>> apart = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> loss.losses((apart, apart), torch.tensor([0, 1]))
    {'triplet': tensor([0.])}
    """

    labels: Tensor

    def __init__(
        self, labels: Tensor, *, margin: float = 0.2, gamma: float = 1.0
    ) -> None:
        super().__init__()
        self.register_buffer("labels", labels)
        self.margin = margin
        self.gamma = gamma

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the mean loss of the triplets.

        Parameters
        ----------
        outputs : two Tensors of shape (n_heads, b, d)
            Rows of anchors, and of a positive for each.
        targets : Tensor of int64, shape (b,)
            The anchors' rows in `labels`.
        """
        anchors, positives = outputs
        labels = self.labels[targets]
        near = _squared(anchors - positives)  # (h, b)
        others = torch.cat([anchors, positives], dim=1)  # (h, 2b, d)
        far = (
            _squared(anchors).unsqueeze(2)
            + _squared(others).unsqueeze(1)
            - 2 * anchors @ others.mT
        )  # (h, b, 2b)
        triplets = (self.margin + self.gamma * near.unsqueeze(2) - far).clamp_min(0)
        differ = labels.unsqueeze(1) != labels.repeat(2)  # (b, 2b)
        n_negatives = differ.sum(dim=1).clamp_min(1)
        of_anchors = (triplets * differ).sum(dim=2) / n_negatives  # (h, b)
        return {"triplet": of_anchors.mean(dim=1)}


def _squared(rows: Tensor) -> Tensor:
    return rows.square().sum(dim=-1)
