"""Clusters whose probabilities are made less sure, as far as they are right."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The lowest logarithm of a power, and the steps in which it is found, to 1e-7.
_LOWEST, _N_STEPS = -8.0, 27
_LEAST = 1e-6  # what a doubt is below 1


class CalibratedClusters(nn.Module):
    r"""Raise the probability of a wrong cluster to a power; mix with equal ones.

    With :math:`n` clusters and the largest probability :math:`p`, let

    .. math:: e = \frac{n}{n - 1} (1 - p)

    which is 0 for a sure sample, and 1 where all clusters are equally probable. It
    becomes :math:`e^\gamma`, and to that end the probabilities are mixed with equal
    ones. A temperature is much the same, but changes the order of samples.

    Parameters
    ----------
    power : float
        The power :math:`\gamma`, from 0 to 1; 1 changes nothing.
    n_clusters : int
        The number of clusters, two at least.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural
       Networks", ICML 2017, on the temperature.
    """

    def __init__(self, power: float, n_clusters: int) -> None:
        super().__init__()
        self.power = power
        self.n_clusters = n_clusters

    @classmethod
    def with_mean(cls, confidence: float, log_doubts: Tensor, n_clusters: int) -> Self:
        """Return what brings the mean confidence down to a given one, if it is above.

        Parameters
        ----------
        confidence : float
            The mean of the largest probabilities that is wanted.
        log_doubts : Tensor of shape (n,)
            `log_doubt` of the samples.
        n_clusters : int
            The number of clusters, two at least.
        """
        doubt = (1 - confidence) * n_clusters / (n_clusters - 1)
        low, high = _LOWEST, 0.0
        for _ in range(_N_STEPS):
            middle = (low + high) / 2
            if (math.exp(middle) * log_doubts).exp().mean() < doubt:
                high = middle
            else:
                low = middle
        return cls(math.exp(high), n_clusters)

    def forward(self, logits: Tensor) -> Tensor:
        """Return logits of the same shape (n_heads, b, n_clusters)."""
        # below 1, since the shares of equal probabilities would be 0 / 0
        log_doubts = log_doubt(logits, self.n_clusters).unsqueeze(2).clamp_max(-_LEAST)
        kept = torch.expm1(self.power * log_doubts) / torch.expm1(log_doubts)
        return (kept * logits.softmax(dim=2) + (1 - kept) / self.n_clusters).log()


def log_doubt(logits: Tensor, n_clusters: int) -> Tensor:
    """Return the logarithm of n / (n - 1) (1 - p), (n_heads, b), for n clusters."""
    # of all clusters but the first: 1 - p has no digits left where p is near 1
    first = F.one_hot(logits.argmax(dim=2), n_clusters).bool()
    others = logits.log_softmax(dim=2).masked_fill(first, -math.inf)
    return others.logsumexp(dim=2) + math.log(n_clusters / (n_clusters - 1))
