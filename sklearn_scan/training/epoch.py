"""An epoch of the training loop that is under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sklearn_scan.training.objectives import Terms

# Reading a number off a GPU waits for all its work: there the loss is looked at only
# after so many steps.
_STEPS_UNSEEN = 50


@dataclass
class Epoch:
    """An epoch that is under way.

    Attributes
    ----------
    good : dict or None
        The weights to come back to if it diverges; None if there are none.
    n_steps : int
        How many steps it has made.
    names : list of str
        The names of the terms.
    totals : Tensor of shape (n_terms, n_heads)
        The sum of each term over the steps.
    """

    good: dict[str, Any] | None
    n_steps: int = 0
    names: list[str] = field(default_factory=list)
    totals: Tensor = field(default_factory=lambda: torch.zeros(0))

    def add(self, terms: Terms) -> None:
        """Add the terms of a step."""
        self.n_steps += 1
        of_step = torch.stack([*terms.values()])
        self.names = [*terms]
        self.totals = of_step if self.n_steps == 1 else self.totals + of_step

    @property
    def is_finite(self) -> bool:
        """Whether the terms are finite; on a GPU looked at only now and then."""
        is_seen = self.totals.device.type == "cpu" or self.n_steps % _STEPS_UNSEEN == 0
        return not is_seen or bool(self.totals.isfinite().all())
