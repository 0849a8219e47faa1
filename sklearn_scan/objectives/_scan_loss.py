"""The SCAN loss (Van Gansbeke et al., 2020, equation 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from sklearn_scan.objectives._base import Objective


class ScanLoss(Objective):
    r"""Neighbours agree while clusters stay spread.

    For the probabilities :math:`p` of an anchor and :math:`p'` of its neighbour over
    a batch, with :math:`\bar p` the mean of the anchors' probabilities,

    .. math:: -\frac1b \sum \log \langle p, p' \rangle
              + \lambda \sum_c \bar p_c \log \bar p_c

    With a `prior` :math:`\pi` the second term is
    :math:`\lambda\,\mathrm{KL}(\bar p \| \pi)` instead.

    Parameters
    ----------
    entropy_weight : float
        The weight λ of the spread.
    prior : Tensor of shape (n_clusters,), optional
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

    def __init__(
        self, entropy_weight: float = 5.0, prior: Tensor | None = None
    ) -> None:
        super().__init__()
        self.entropy_weight = entropy_weight
        self.log_prior: Tensor | None
        self.register_buffer("log_prior", None if prior is None else prior.log())

    def terms(self, anchor: Tensor, partner: Tensor) -> dict[str, Tensor]:
        """Return the consistency and the weighted spread of each head."""
        # (h, b, c) -> (h, c, b), the order in which heads lay logits out in memory
        log_anchor = anchor.mT.log_softmax(dim=1)
        # log <p, p'> in log space stays finite where both products underflow
        log_agreement = (log_anchor + partner.mT.log_softmax(dim=1)).logsumexp(dim=1)
        mean = log_anchor.exp().mean(dim=2)  # (h, c)
        # x log x has no slope at zero: there, an empty cluster's gradient was nan
        spread = -torch.special.entr(mean.clamp_min(torch.finfo(mean.dtype).tiny))
        if self.log_prior is not None:
            spread = spread - mean * self.log_prior
        return {
            "consistency": -log_agreement.mean(dim=1),
            "entropy": self.entropy_weight * spread.sum(dim=1),
        }
