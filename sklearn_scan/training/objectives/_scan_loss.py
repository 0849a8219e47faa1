"""The SCAN loss (Van Gansbeke et al., 2020, equation 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.training.objectives._base import (
    Gradients,
    Outputs,
    PairObjective,
    Terms,
    join_views,
)


class ScanLoss(PairObjective):
    r"""The SCAN loss: neighbours agree, and all clusters are used.

    For the probabilities :math:`p` of an anchor and :math:`p'` of its neighbour over
    a batch, with :math:`\bar p` the mean of the anchors' probabilities,

    .. math:: -\frac1b \sum \log \langle p, p' \rangle
              + \lambda \sum_c \bar p_c \log \bar p_c

    With a `prior` :math:`\pi` the second term is
    :math:`\lambda\,\mathrm{KL}(\bar p \| \pi)` instead.

    Parameters
    ----------
    entropy_weight : float, or Tensor of shape (n_heads,)
        The weight λ of the entropy of the cluster sizes; one for all heads, or one for
        each.
    prior : Tensor of shape (n_clusters,) or (n_heads, n_clusters), optional
        The known proportions of the clusters.

    References
    ----------
    .. [1] W. Van Gansbeke et al., "SCAN: Learning to Classify Images without Labels",
       ECCV 2020, arXiv:2005.12320.

    Examples
    --------
    >>> import torch
    >>> sure_and_spread = 100 * torch.eye(2)[None]  # one head, two samples
    >>> terms = ScanLoss(entropy_weight=5.0)(sure_and_spread, sure_and_spread)
    >>> {name: round(term.item() + 0, 3) for name, term in terms.items()}
    {'consistency': 0.0, 'entropy': -3.466}
    """

    entropy_weight: Tensor

    def __init__(
        self, entropy_weight: float | Tensor = 5.0, prior: Tensor | None = None
    ) -> None:
        super().__init__()
        weight = torch.as_tensor(entropy_weight, dtype=torch.float32)
        self.register_buffer("entropy_weight", weight.unsqueeze(-1))  # beside (h, c)
        self.log_prior: Tensor | None
        # of a cluster that is to be empty too, the logarithm stays finite
        log_prior = None if prior is None else prior.clamp_min(_tiny(prior)).log()
        self.register_buffer("log_prior", log_prior)

    def terms(self, anchor: Tensor, partner: Tensor) -> Terms:
        """Return the consistency and the weighted entropy of each head."""
        # (h, b, c) -> (h, c, b), the order in which heads lay logits out in memory
        log_anchor = anchor.mT.log_softmax(dim=1)
        # log <p, p'> in log space stays finite where both products underflow
        log_agreement = (log_anchor + partner.mT.log_softmax(dim=1)).logsumexp(dim=1)
        mean = log_anchor.exp().mean(dim=2)  # (h, c)
        return {
            "consistency": -log_agreement.mean(dim=1),
            "entropy": self._spread(mean, self._log_ratio(mean)),
        }

    def gradient(self, outputs: Outputs, targets: Tensor) -> tuple[Terms, Gradients]:
        r"""Return the terms and their gradient, in closed form.

        There are many steps of small heads, so recording their operations would take
        longer than the operations themselves. With the share of each cluster in the
        agreement :math:`r = pp' / \langle p, p' \rangle` and the slope of the entropy
        :math:`s = \lambda (\log \bar p + 1)`, the gradient by the logits is

        .. math:: \text{anchors: } (p \, (1 + s - \langle p, s \rangle) - r) / b
                  \qquad \text{partners: } (p' - r) / b
        """
        logits = join_views(outputs).mT  # (h, c, 2b)
        p = logits.softmax(dim=1)
        anchor, partner = p.chunk(2, dim=2)
        agreement = (anchor * partner).sum(dim=1).clamp_min(_tiny(p))
        # softmax of the sum: exact where the products above underflow
        responsibility = torch.add(*logits.chunk(2, dim=2)).softmax(dim=1)
        mean = anchor.mean(dim=2)
        log_ratio = self._log_ratio(mean)
        slope = (self.entropy_weight * (log_ratio + 1)).unsqueeze(2)  # (h, c, 1)
        along = torch.bmm(slope.mT, anchor)  # (h, 1, b)
        # from here on p turns into the gradient, in place
        anchor.mul_(slope + 1 - along).sub_(responsibility)
        partner.sub_(responsibility)
        terms = {
            "consistency": -agreement.log().mean(dim=1),
            "entropy": self._spread(mean, log_ratio),
        }
        return terms, p.div_(anchor.shape[2]).mT.chunk(2, dim=1)

    def _spread(self, mean: Tensor, log_ratio: Tensor) -> Tensor:
        return (self.entropy_weight * mean * log_ratio).sum(dim=1)

    def _log_ratio(self, mean: Tensor) -> Tensor:
        """Return the logarithm of the mean, less the prior's if there is one."""
        # x log x has no slope at zero: there, an empty cluster's gradient would be nan
        log_mean = mean.clamp_min(_tiny(mean)).log()
        return log_mean if self.log_prior is None else log_mean - self.log_prior


def _tiny(values: Tensor) -> float:
    return torch.finfo(values.dtype).tiny
