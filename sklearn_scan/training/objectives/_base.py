"""What the training loop minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

Terms = dict[str, Tensor]


class Objective(nn.Module, ABC):
    """A loss of what a module makes of a batch, as named terms whose sum is the loss.

    A subclass writes `losses`; one that compares the two halves of a batch is a
    `PairObjective`.
    """

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor) -> Terms:
        """Return the named terms of the loss, each of shape (n_heads,).

        Parameters
        ----------
        outputs : Tensor of shape (n_heads, b, n_outputs)
            What the module made of the batch.
        targets : Tensor of int64, shape (m,)
            What the batch's source says of it, such as which samples it holds.
        """

    def value_and_gradient(
        self, outputs: Tensor, targets: Tensor
    ) -> tuple[Terms, Tensor]:
        """Return the terms, and the gradient of their sum over terms and heads.

        Called once a step: here a subclass may note what it remembers of the batch,
        or write its gradient in closed form.

        Parameters
        ----------
        outputs, targets : Tensor
            As for `losses`.

        Returns
        -------
        terms : dict of str to Tensor of shape (n_heads,)
        gradient : Tensor of the shape of `outputs`
        """
        with torch.enable_grad():
            outputs = outputs.detach().requires_grad_()
            terms = self.losses(outputs, targets)
            (gradient,) = torch.autograd.grad(
                torch.stack([*terms.values()]).sum(), outputs
            )
        return {name: term.detach() for name, term in terms.items()}, gradient


class PairObjective(Objective):
    """A loss between the outputs of two views of the same, or of like, images.

    A subclass writes `terms`; calling the objective checks the shapes and returns
    the named terms, whose sum is the loss.
    """

    @abstractmethod
    def terms(self, anchor: Tensor, partner: Tensor) -> Terms:
        """Return the named terms of the loss, each of shape (n_heads,).

        Parameters
        ----------
        anchor, partner : Tensor of shape (n_heads, b, n_outputs)
            The outputs for the anchors and, row by row, for their partners.
        """

    def forward(self, anchor: Tensor, partner: Tensor) -> Terms:
        """Check the shapes and return the terms of the loss of each head."""
        if anchor.ndim != 3 or anchor.shape != partner.shape:
            raise ValueError(
                "anchor and partner must have one shape (n_heads, b, n_outputs); got "
                f"{tuple(anchor.shape)} and {tuple(partner.shape)}."
            )
        return self.terms(anchor, partner)

    def losses(self, outputs: Tensor, targets: Tensor) -> Terms:
        """Return the terms for a batch of anchors followed by their partners."""
        terms: Terms = self(*outputs.chunk(2, dim=1))
        return terms
