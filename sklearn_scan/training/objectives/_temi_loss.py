"""The TEMI loss (Adaloglou et al., 2023, equations 5 to 7)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sklearn_scan.training.objectives._base import (
    Gradients,
    Objective,
    Outputs,
    Terms,
)

_MARGINAL_MOMENTUM = 0.9  # the paper's


class TemiLoss(Objective):
    r"""The TEMI loss: pointwise mutual information of neighbours, with a teacher.

    For the probabilities :math:`q_s, q_t` of a head's student and teacher, with
    :math:`\tilde p` the moving average of the teacher's mean probabilities, each head's
    loss is the mean over both orders of a batch's pairs of

    .. math:: -w(x, x') \log \sum_c
              \frac{(q_s(c|x) \, q_t(c|x'))^\beta}{\tilde p(c)}

    The weight :math:`w(x, x')` is the mean over all heads of
    :math:`\sum_c q_t(c|x) q_t(c|x')`. It is low for pairs that look like false
    neighbours.

    Parameters
    ----------
    n_heads, n_clusters : int
        The size of the outputs.
    beta : float, default=0.6
        With 1 the loss is pointwise mutual information, and some clusters may stay
        empty. A lower value makes the sizes of the clusters more alike.

    References
    ----------
    .. [1] N. Adaloglou, F. Michels, H. Kalisch, M. Kollmann, "Exploring the Limits of
       Deep Image Clustering using Pretrained Models", BMVC 2023, arXiv:2303.17896.

    Examples
    --------
    >>> import torch
    >>> objective = TemiLoss(n_heads=1, n_clusters=2)
    >>> sure_and_spread = 100 * torch.eye(2)[None]  # one head, two samples
    >>> objective.losses((sure_and_spread,) * 4, torch.arange(2))
    {'information': tensor([-0.6931])}
    """

    marginal: Tensor

    def __init__(self, n_heads: int, n_clusters: int, beta: float = 0.6) -> None:
        super().__init__()
        self.beta = beta
        uniform = torch.full((n_heads, n_clusters), 1 / n_clusters)
        self.register_buffer("marginal", uniform)

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the loss of each head, with the marginals as they stand.

        Parameters
        ----------
        outputs : tuple of four Tensor, each of shape (n_heads, b, n_clusters)
            The logits of the student for anchors and for their partners; then the
            teacher's for both.
        targets : ignored
        """
        *student, anchor, partner = (part.log_softmax(dim=2) for part in outputs)
        weights = _weigh_pairs(anchor.exp(), partner.exp())
        ratios = self._log_ratios(student, [partner, anchor])
        return {"information": _mean_information(ratios, weights)}

    def prepare(self, outputs: Outputs, targets: Tensor) -> None:
        """Move the marginals towards the teacher's mean probabilities."""
        q_teacher = torch.cat(outputs[2:], dim=1).log_softmax(dim=2).exp()
        self.marginal.lerp_(q_teacher.mean(dim=1), 1 - _MARGINAL_MOMENTUM)

    def gradient(self, outputs: Outputs, targets: Tensor) -> tuple[Terms, Gradients]:
        r"""Return the loss and its gradient, in closed form.

        With the clusters' shares :math:`r` in the sum above it is
        :math:`\beta w (q_s - r)`, over the number of terms, by the student's logits;
        nothing is learnt through the teacher's.
        """
        *student, anchor, partner = (part.log_softmax(dim=2) for part in outputs)
        weights = _weigh_pairs(anchor.exp(), partner.exp())
        ratios = self._log_ratios(student, [partner, anchor])
        scale = (self.beta / (2 * len(weights))) * weights.unsqueeze(1)
        slopes = [
            (of_student.exp() - of_pair.softmax(dim=2)) * scale
            for of_student, of_pair in zip(student, ratios, strict=True)
        ]
        terms = {"information": _mean_information(ratios, weights)}
        return terms, (*slopes, None, None)

    def _log_ratios(
        self, student: Sequence[Tensor], teacher: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return the logarithms of the sum's terms, in each order of the pairs."""
        # an empty cluster's marginal decays to zero: its logarithm must stay finite
        tiny = torch.finfo(self.marginal.dtype).tiny
        log_marginal = self.marginal.clamp_min(tiny).log().unsqueeze(1)
        return [
            self.beta * (own + other) - log_marginal
            for own, other in zip(student, teacher, strict=True)
        ]


def _weigh_pairs(anchor: Tensor, partner: Tensor) -> Tensor:
    """Return the weight of each pair, shape (b,), by its teacher's probabilities."""
    return (anchor * partner).sum(dim=2).mean(dim=0)


def _mean_information(log_ratios: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Return the mean loss over both orders of the pairs, shape (n_heads,)."""
    losses = [weights * ratios.logsumexp(dim=2) for ratios in log_ratios]
    return -torch.cat(losses, dim=1).mean(dim=1)
