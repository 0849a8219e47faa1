"""What the training loop minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Outputs = tuple[Tensor, ...]
Terms = dict[str, Tensor]
Gradients = tuple[Tensor | None, ...]


def join_views(parts: Sequence[Tensor]) -> Tensor:
    """Return the outputs of several views as one tensor, (n_heads, n_views * b, ...).

    Without a copy where they are neighbours in memory, as those of one network are.
    """
    first = parts[0]
    n_heads, n_rows, n_outputs = first.shape
    memory, start = first.untyped_storage().data_ptr(), first.storage_offset()
    for number, part in enumerate(parts):
        if (
            part.shape != first.shape
            or part.stride() != first.stride()
            or part.storage_offset() != start + number * n_rows * first.stride(1)
            or part.untyped_storage().data_ptr() != memory
        ):
            return torch.cat([*parts], dim=1)
    shape = (n_heads, len(parts) * n_rows, n_outputs)
    return first.as_strided(shape, first.stride(), start)


def mean_of_pairs(values: Tensor) -> Tensor:
    """Return the mean of values (n_heads, v, v) over the pairs of different views."""
    n_views = values.shape[1]
    apart = 1 - torch.eye(n_views, dtype=values.dtype, device=values.device)
    return (values * apart).sum(dim=(1, 2)) / (n_views * (n_views - 1))


class Objective(nn.Module, ABC):
    """A loss of the outputs of a module for a batch: the sum of some named terms.

    A subclass writes `losses`; if it compares two views, it is a `PairObjective`. In
    each step the loop calls `prepare`, `gradient` and `remember`, in this order. The
    outputs that it passes have no gradient recorded. An objective keeps its state in
    buffers, or in its extra state.
    """

    @abstractmethod
    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the named terms of the loss, each of shape (n_heads,).

        Parameters
        ----------
        outputs : tuple of Tensor, each of shape (n_heads, b, n_outputs)
            The outputs of the module for the batch, such as those of anchors and of
            their partners.
        targets : Tensor of int64, shape (m,)
            What the source of the batch says about it, such as the rows of its samples.
        """

    def prepare(self, outputs: Outputs, targets: Tensor) -> None:
        """Update what the loss of this batch depends on; by default nothing.

        Called once a step, before `gradient`.
        """

    def gradient(self, outputs: Outputs, targets: Tensor) -> tuple[Terms, Gradients]:
        """Return the terms, and the gradient of their sum over terms and heads.

        Called once a step. A subclass may write it in closed form.

        Parameters
        ----------
        outputs, targets
            As for `losses`.

        Returns
        -------
        terms : dict of str to Tensor of shape (n_heads,)
        gradient : tuple of Tensor or None
            The gradient by each output, of the same shape; None if the loss does not
            learn through this output.
        """
        with torch.enable_grad():
            leaves = tuple(part.detach().requires_grad_() for part in outputs)
            terms = self.losses(leaves, targets)
            gradient = torch.autograd.grad(
                torch.stack([*terms.values()]).sum(), leaves, allow_unused=True
            )
        return {name: term.detach() for name, term in terms.items()}, gradient

    def remember(self, outputs: Outputs, targets: Tensor) -> None:
        """Remember what later batches are compared with; by default nothing.

        Called once a step, after `gradient`.
        """


class PairObjective(Objective):
    """A loss between the outputs of two views, of one image or of similar images.

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

    def losses(self, outputs: Outputs, targets: Tensor) -> Terms:
        """Return the terms for the outputs of anchors and of their partners."""
        terms: Terms = self(*outputs)
        return terms
