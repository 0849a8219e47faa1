"""Noise-contrastive estimation against a memory bank (Wu et al., 2018, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.core.sending import send
from sklearn_scan.training.objectives._base import Objective, Outputs, Terms


class MemoryBankLoss(Objective):
    r"""A view is compared with the entry of its image in a memory bank, and with noise.

    With :math:`P(i|v) = \exp(v^T f_i / \tau) / Z` for the entry :math:`f_i` of image
    :math:`i` among :math:`n`, and :math:`m` entries drawn at random,

    .. math:: h(i, v) = \frac{P(i|v)}{P(i|v) + m/n} \qquad
              L = -\log h(i, v) - \sum_{j=1}^m \log(1 - h(j, v))

    The noise is drawn once for all views of a batch, so that one matrix product
    compares it. The constant :math:`Z` is estimated from this noise. (The paper
    estimates it from the first batch and keeps it. At that time the bank is still
    random and the estimate far too small, and small data sets do not recover from
    this.)

    Parameters
    ----------
    n_samples, n_outputs : int
        The number of images, and the size of the projections.
    n_negatives : int
        The number of entries that are drawn, m.
    temperature : float
        The divisor :math:`\tau` of the cosine similarities.
    momentum : float
        The share of itself that an entry keeps when its image is seen.
    generator : torch.Generator
        Draws the first entries, and the noise.

    References
    ----------
    .. [1] Z. Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
       Discrimination", CVPR 2018, arXiv:1805.01978, equations 4, 6 and 7.
    """

    bank: Tensor

    def __init__(
        self,
        n_samples: int,
        n_outputs: int,
        *,
        n_negatives: int,
        temperature: float,
        momentum: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.n_negatives = n_negatives
        self.temperature = temperature
        self.momentum = momentum
        self.generator = generator
        start = torch.randn(n_samples, n_outputs, generator=generator)
        self.register_buffer("bank", F.normalize(start, dim=1))

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the mean loss of the views of images number `targets`."""
        views = F.normalize(torch.cat(outputs, dim=1), dim=-1)  # (h, v * b, d)
        places = self.bank[targets].repeat(len(outputs), 1)  # (v * b, d)
        drawn = send(self._draw(), self.bank.device)
        noise = self.bank[drawn]  # (m, d)
        of_image = (views * places).sum(dim=-1) / self.temperature  # (h, v * b)
        of_noise = views @ noise.T / self.temperature  # (h, v * b, m)
        # Z = n * mean, so the logarithm of Z m / n, beyond which h is over a half, is
        # that of a sum over the noise
        shift = of_noise.detach().flatten(1).logsumexp(dim=1) - math.log(views.shape[1])
        shift = shift.unsqueeze(1)
        told = F.softplus(shift - of_image)
        fooled = F.softplus(of_noise - shift.unsqueeze(2)).sum(dim=-1)
        return {"image": told.mean(dim=1), "noise": fooled.mean(dim=1)}

    def remember(self, outputs: Outputs, targets: Tensor) -> None:
        """Move the places of the batch's images towards the means of their views."""
        views = torch.stack([part[0] for part in outputs])  # (v, b, d)
        seen = F.normalize(views, dim=2).mean(dim=0)
        moved = torch.lerp(seen, self.bank[targets], self.momentum)
        self.bank[targets] = F.normalize(moved, dim=1)

    def get_extra_state(self) -> Tensor:
        """Return the state of the generator, a part of `state_dict`."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Let the generator go on from a state."""
        self.generator.set_state(state.cpu())

    def _draw(self) -> Tensor:
        return torch.randint(
            len(self.bank), (self.n_negatives,), generator=self.generator
        )
