"""What the training loop minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Objective(nn.Module, ABC):
    """A loss between the outputs of two views of the same, or of like, images.

    A subclass writes `terms`; calling the objective checks the shapes and returns
    the named terms, whose sum is the loss.
    """

    @abstractmethod
    def terms(self, anchor: Tensor, partner: Tensor) -> dict[str, Tensor]:
        """Return the named terms of the loss, each of shape (n_heads,).

        Parameters
        ----------
        anchor, partner : Tensor of shape (n_heads, b, n_outputs)
            The outputs for the anchors and, row by row, for their partners.
        """

    def forward(self, anchor: Tensor, partner: Tensor) -> dict[str, Tensor]:
        """Check the shapes and return the terms of the loss of each head."""
        if anchor.ndim != 3 or anchor.shape != partner.shape:
            raise ValueError(
                "anchor and partner must have one shape (n_heads, b, n_outputs); got "
                f"{tuple(anchor.shape)} and {tuple(partner.shape)}."
            )
        return self.terms(anchor, partner)

    def value_and_gradient(self, outputs: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return the terms, and the gradient of their sum over terms and heads.

        A subclass whose gradient has a closed form may write it here.

        Parameters
        ----------
        outputs : Tensor of shape (n_heads, 2 b, n_outputs)
            The outputs for the anchors, then those for their partners.

        Returns
        -------
        terms : dict of str to Tensor of shape (n_heads,)
        gradient : Tensor of shape (n_heads, 2 b, n_outputs)
        """
        with torch.enable_grad():
            outputs = outputs.detach().requires_grad_()
            terms = self(*outputs.chunk(2, dim=1))
            (gradient,) = torch.autograd.grad(
                torch.stack([*terms.values()]).sum(), outputs
            )
        return {name: term.detach() for name, term in terms.items()}, gradient
