"""What the training loop minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod

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
