"""The TEMI loss (Adaloglou et al., 2023, equations 5 to 7)."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.training.objectives._base import Objective, Terms

_MARGINAL_MOMENTUM = 0.9  # the paper's


class TemiLoss(Objective):
    r"""Neighbours share what is rare: pointwise mutual information with a teacher.

    For the probabilities :math:`q_s, q_t` of a head's student and teacher, with
    :math:`\tilde p` the moving average of the teacher's mean probabilities, each head's
    loss is the mean over both orders of a batch's pairs of

    .. math:: -w(x, x') \log \sum_c
              \frac{(q_s(c|x) \, q_t(c|x'))^\beta}{\tilde p(c)}

    where :math:`w(x, x')`, the mean over all heads of
    :math:`\sum_c q_t(c|x) q_t(c|x')`, makes little of pairs that look like false
    neighbours.

    Parameters
    ----------
    n_heads, n_clusters : int
        The size of the outputs.
    beta : float, default=0.6
        With 1 the loss is pointwise mutual information, which may use few of the
        clusters; less makes their sizes more alike.

    References
    ----------
    .. [1] N. Adaloglou, F. Michels, H. Kalisch, M. Kollmann, "Exploring the Limits of
       Deep Image Clustering using Pretrained Models", BMVC 2023, arXiv:2303.17896.

    Examples
    --------
    >>> import torch
    >>> objective = TemiLoss(n_heads=1, n_clusters=2)
    >>> sure_and_spread = 100 * torch.eye(2)[None, [0, 1, 0, 1]]  # two equal pairs
    >>> student_and_teacher = torch.cat([sure_and_spread, sure_and_spread], dim=1)
    >>> objective.losses(student_and_teacher, torch.arange(2))
    {'information': tensor([-0.6931])}
    """

    marginal: Tensor

    def __init__(self, n_heads: int, n_clusters: int, beta: float = 0.6) -> None:
        super().__init__()
        self.beta = beta
        uniform = torch.full((n_heads, n_clusters), 1 / n_clusters)
        self.register_buffer("marginal", uniform)

    def losses(self, outputs: Tensor, targets: Tensor) -> Terms:
        """Return the loss of each head, with the marginals as they stand.

        Parameters
        ----------
        outputs : Tensor of shape (n_heads, 4 b, n_clusters)
            The student's logits of the anchors, then of their partners; then the
            teacher's, in the same order.
        targets : ignored
        """
        student, teacher = outputs.chunk(2, dim=1)
        log_student = student.log_softmax(dim=2)
        log_teacher = teacher.log_softmax(dim=2)
        information = self._information(log_student, log_teacher).logsumexp(dim=2)
        weights = _weigh_pairs(log_teacher.exp())
        return {"information": -(weights * information).mean(dim=1)}

    def value_and_gradient(
        self, outputs: Tensor, targets: Tensor
    ) -> tuple[Terms, Tensor]:
        r"""Note the teacher's marginals; return the loss and its gradient.

        In closed form: with the clusters' shares :math:`r` in the sum above it is
        :math:`\beta w (q_s - r)`, over the number of terms, by the student's logits,
        and zero by the teacher's.
        """
        student, teacher = outputs.chunk(2, dim=1)
        log_student = student.log_softmax(dim=2)
        log_teacher = teacher.log_softmax(dim=2)
        q_teacher = log_teacher.exp()
        self.marginal.lerp_(q_teacher.mean(dim=1), 1 - _MARGINAL_MOMENTUM)
        ratios = self._information(log_student, log_teacher)
        information = ratios.logsumexp(dim=2)
        weights = _weigh_pairs(q_teacher)
        slope = log_student.exp() - ratios.softmax(dim=2)
        slope *= (self.beta / len(weights)) * weights.unsqueeze(1)
        terms = {"information": -(weights * information).mean(dim=1)}
        return terms, torch.cat([slope, torch.zeros_like(slope)], dim=1)

    def _information(self, log_student: Tensor, log_teacher: Tensor) -> Tensor:
        """Return the logarithms of the sum's terms, (n_heads, 2 b, n_clusters)."""
        anchor, partner = log_teacher.chunk(2, dim=1)
        crosswise = torch.cat([partner, anchor], dim=1)
        # an empty cluster's marginal decays to zero: its logarithm must stay finite
        tiny = torch.finfo(self.marginal.dtype).tiny
        log_marginal = self.marginal.clamp_min(tiny).log()
        return self.beta * (log_student + crosswise) - log_marginal.unsqueeze(1)


def _weigh_pairs(q_teacher: Tensor) -> Tensor:
    """Return the weight of each pair, in both orders, shape (2 b,)."""
    anchor, partner = q_teacher.chunk(2, dim=1)
    return (anchor * partner).sum(dim=2).mean(dim=0).repeat(2)
