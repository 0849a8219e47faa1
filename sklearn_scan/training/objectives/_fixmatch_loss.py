"""The loss of FixMatch (Sohn et al., 2020, equations 3 and 4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.training.objectives._balance import balance
from sklearn_scan.training.objectives._base import Objective, Outputs, Terms


class FixMatchLoss(Objective):
    """Cross-entropy of labelled samples, and of strong views with what weak ones say.

    The outputs are those of labelled samples, of the weak views of any samples, and of
    their strong views. A weak view is confident if its largest probability is above the
    threshold; its most probable cluster is then the label of the strong view. The
    second term is the mean over all strong views, where those without a label count as
    zero. Among the confident ones all clusters have the same weight, as in
    `SelfLabelLoss`: a large cluster, which is confident sooner, would take samples of
    the small ones. (The paper knows the classes, and has no weights.)

    Parameters
    ----------
    labels : Tensor of int64, shape (n,)
        The label of each sample; looked at only for labelled ones. The first targets of
        a batch are the rows of its labelled samples.
    threshold : float, default=0.95
        The probability that a weak view must exceed.

    References
    ----------
    .. [1] K. Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with
       Consistency and Confidence", NeurIPS 2020, arXiv:2001.07685.

    Examples
    --------
    >>> import torch
    >>> labeled = torch.zeros(1, 1, 2)
    >>> weak = torch.tensor([[[9.0, 0.0], [0.1, 0.0]]])  # one is sure, one is not
    >>> strong = torch.zeros(1, 2, 2)
    >>> loss, targets = FixMatchLoss(torch.tensor([1, 0])), torch.tensor([0, 0, 1])
    >>> terms = loss.losses((labeled, weak, strong), targets)
    >>> {name: round(term.item(), 2) for name, term in terms.items()}
    {'labeled': 0.69, 'unlabeled': 0.35}
    """

    labels: Tensor
    threshold: Tensor

    def __init__(self, labels: Tensor, threshold: float = 0.95) -> None:
        super().__init__()
        self.register_buffer("labels", labels)
        self.register_buffer("threshold", torch.as_tensor(threshold))

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the two cross-entropies of each head."""
        labeled, weak, strong = outputs
        labels = self.labels[targets[: labeled.shape[1]]]
        learnt = _cross_entropy(labeled, labels.expand(len(labeled), -1))
        confidence, guesses = weak.detach().softmax(dim=-1).max(dim=-1)  # (h, b)
        confident = confidence > self.threshold
        weights = balance(guesses, confident, weak.shape[-1])
        followed = torch.sum(weights * _cross_entropy(strong, guesses), dim=1)
        return {
            "labeled": learnt.mean(dim=1),
            "unlabeled": followed * confident.float().mean(dim=1),
        }


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each sample, (n_heads, b)."""
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view_as(labels)
