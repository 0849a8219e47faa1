"""The training loop: fit → epoch → step → loss, one for every stage and pretext."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from sklearn_scan.exceptions import DivergenceError
from sklearn_scan.objectives import Objective

View = Callable[[Tensor], Tensor]


class PairSource(Protocol):
    """What the loop trains on: at each pass, batches of anchors and their partners."""

    def __len__(self) -> int:
        """Return the number of batches a pass."""

    def __iter__(self) -> Iterator[Tensor]:
        """Yield the batches of one pass, in a new order each time.

        Each has shape (2 b, ...): the views of b anchors, then those of their
        partners. One tensor, since the module sees them in one call.
        """


def unchanged(data: Tensor) -> Tensor:
    """Return `data`: the view of what is not augmented."""
    return data


def count_batches(n_samples: int, batch_size: int) -> int:
    """Return the number of batches, alike in size, of at most `batch_size` samples."""
    return -(-n_samples // batch_size)


class ViewPairs:
    """Two views of each sample, or of a sample and a partner drawn for it.

    Parameters
    ----------
    data : Tensor of shape (n, ...)
        The samples, features or images, on the device where the batches are wanted.
    batch_size : int
        The largest batch; batches differ by one sample at most, none is dropped.
    generator : torch.Generator
        Draws the order of the samples.
    anchor_view, partner_view : callable, default=unchanged
        From a batch of samples to its view.
    draw_partners : callable, optional
        Returns the index of a partner for every sample, shape (n,); called once a
        pass. By default each sample is its own partner.
    """

    def __init__(
        self,
        data: Tensor,
        batch_size: int,
        *,
        generator: torch.Generator,
        anchor_view: View = unchanged,
        partner_view: View = unchanged,
        draw_partners: Callable[[], Tensor] | None = None,
    ) -> None:
        self.data = data
        self.n_batches = count_batches(len(data), batch_size)
        self.generator = generator
        self.anchor_view = anchor_view
        self.partner_view = partner_view
        self.draw_partners = draw_partners

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Tensor]:
        device = self.data.device
        order = torch.randperm(len(self.data), generator=self.generator).to(device)
        partners = order if self.draw_partners is None else self.draw_partners()[order]
        for pair in zip(
            order.tensor_split(self.n_batches),
            partners.tensor_split(self.n_batches),
            strict=True,
        ):
            samples = self.data.index_select(0, torch.cat(pair))
            yield self._view(samples)

    def _view(self, samples: Tensor) -> Tensor:
        if self.anchor_view is self.partner_view is unchanged:
            return samples
        anchor, partner = samples.chunk(2)
        return torch.cat([self.anchor_view(anchor), self.partner_view(partner)])


def fit_loop(
    module: nn.Module,
    objective: Objective,
    pairs: PairSource,
    optimizer: torch.optim.Optimizer,
    *,
    n_epochs: int,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    autocast: AbstractContextManager[object] | None = None,
    stage: str = "training",
    verbose: int = 0,
) -> list[dict[str, float | str]]:
    """Train `module` for `n_epochs` passes over `pairs`.

    Parameters
    ----------
    module : nn.Module
        From a batch (b, ...) to outputs (n_heads, b, n_outputs).
    objective : Objective
        The loss of the outputs; the heads' losses are summed.
    pairs : PairSource
        The batches.
    optimizer : torch.optim.Optimizer
        Holds the parameters to train.
    n_epochs : int
        The number of passes.
    scheduler : torch.optim.lr_scheduler.LRScheduler, optional
        Stepped after every batch.
    autocast : context manager, optional
        Around the module's forward pass.
    stage : str
        The name in the history and on the progress bar.
    verbose : int
        Above zero, shows a progress bar.

    Returns
    -------
    list of dict
        Per epoch: "stage", "epoch" (from 1), "loss" and the objective's terms, as means
        over heads and batches.

    Raises
    ------
    DivergenceError
        As soon as an epoch's loss is not finite.
    """
    module.train()
    history: list[dict[str, float | str]] = []
    progress = tqdm(
        range(1, n_epochs + 1), desc=stage, unit="epoch", disable=verbose <= 0
    )
    for epoch in progress:
        terms = run_epoch(module, objective, pairs, optimizer, scheduler, autocast)
        loss = sum(terms.values())
        if not math.isfinite(loss):
            raise DivergenceError(
                f"The loss became {loss} in epoch {epoch} of the {stage} stage: "
                "lower learning_rate."
            )
        history.append({"stage": stage, "epoch": epoch, "loss": loss, **terms})
        progress.set_postfix(loss=f"{loss:.3f}", refresh=False)
    module.eval()
    return history


def run_epoch(
    module: nn.Module,
    objective: Objective,
    pairs: PairSource,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    autocast: AbstractContextManager[object] | None = None,
) -> dict[str, float]:
    """Make one pass over `pairs`; return the mean of each term."""
    totals: dict[str, Tensor] = {}
    for batch in pairs:
        terms = train_step(module, objective, batch, optimizer, autocast)
        for name, term in terms.items():
            # Summed on the device: reading a number would wait for it each step.
            totals[name] = totals.get(name, 0) + term
        if scheduler is not None:
            scheduler.step()
    return {name: total.mean().item() / len(pairs) for name, total in totals.items()}


@torch.no_grad()
def evaluate(
    module: nn.Module, objective: Objective, pairs: PairSource, *, n_passes: int = 1
) -> Tensor:
    """Return the mean loss of each head, shape (n_heads,), over `n_passes` passes."""
    module.eval()
    losses = [
        torch.stack([*objective(*module(batch).chunk(2, dim=1)).values()]).sum(dim=0)
        for _ in range(n_passes)
        for batch in pairs
    ]
    return torch.stack(losses).mean(dim=0)


def train_step(
    module: nn.Module,
    objective: Objective,
    batch: Tensor,
    optimizer: torch.optim.Optimizer,
    autocast: AbstractContextManager[object] | None = None,
) -> Mapping[str, Tensor]:
    """Take one step down the sum of the heads' losses; return the terms per head."""
    with autocast or nullcontext():
        outputs = module(batch)
    terms, gradient = objective.value_and_gradient(outputs.detach().float())
    optimizer.zero_grad(set_to_none=True)
    outputs.backward(gradient.to(outputs.dtype))
    optimizer.step()
    return terms
