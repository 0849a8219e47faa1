"""The training loop: fit → epoch → step → loss, one for every stage and pretext."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, islice, repeat
from typing import Any, NamedTuple, Protocol

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from tqdm import tqdm

from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.warn import warn
from sklearn_scan.exceptions import DivergenceError
from sklearn_scan.training.objectives import Objective

View = Callable[[Tensor], Tensor]
Record = dict[str, Any]  # of an epoch, in the history

# Reading a number off a GPU waits for all its work: there the loss is looked at only
# after so many steps.
_STEPS_UNSEEN = 50


class Batch(NamedTuple):
    """What a step trains on.

    Attributes
    ----------
    views : Tensor of shape (b, ...)
        What the module sees, in one call.
    targets : Tensor of int64, shape (m,)
        What the objective is told of them.
    """

    views: Tensor
    targets: Tensor


class BatchSource(Protocol):
    """What the loop trains on: at each pass, batches of all samples."""

    def __len__(self) -> int:
        """Return the number of batches a pass."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one pass, in a new order each time."""


def unchanged(data: Tensor) -> Tensor:
    """Return `data`: the view of what is not augmented."""
    return data


def count_batches(n_samples: int, batch_size: int) -> int:
    """Return the number of batches, alike in size, of at most `batch_size` samples."""
    return -(-n_samples // batch_size)


class SingleViews:
    """A view of each sample; the targets of a batch are its samples' places in `data`.

    Parameters
    ----------
    data : Tensor of shape (n, ...)
        The samples, features or images.
    batch_size : int
        The largest batch; batches differ by one sample at most, none is dropped.
    generator : torch.Generator
        Draws the order of the samples.
    view : callable
        From a batch of samples to views; there may be several of each.
    device : torch.device
        Where the batches are wanted.
    """

    def __init__(
        self,
        data: Tensor,
        batch_size: int,
        *,
        generator: torch.Generator,
        view: View,
        device: torch.device,
    ) -> None:
        self.data = data
        self.n_batches = count_batches(len(data), batch_size)
        self.generator = generator
        self.view = view
        self.device = device

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.data), generator=self.generator)
        for rows in order.to(self.data.device).tensor_split(self.n_batches):
            samples = self.data.index_select(0, rows).to(self.device)
            yield Batch(self.view(samples), rows.to(self.device))


class ViewPairs:
    """Two views of each sample, or of a sample and a partner drawn for it.

    The views of a batch are those of its anchors, then those of their partners; its
    targets are the anchors' places in `data`.

    Parameters
    ----------
    data : Tensor or MappedRows of shape (n, ...)
        The samples, features or images.
    batch_size : int
        The largest batch; batches differ by one sample at most, none is dropped.
    generator : torch.Generator
        Draws the order of the samples.
    anchor_view, partner_view : callable, default=unchanged
        From a batch of samples to its view.
    draw_partners : callable, optional
        Returns the index of a partner for every sample, shape (n,); called once a
        pass. By default each sample is its own partner.
    device : torch.device, optional
        Where the batches are wanted; by default, where the data are.
    """

    def __init__(
        self,
        data: Rows,
        batch_size: int,
        *,
        generator: torch.Generator,
        anchor_view: View = unchanged,
        partner_view: View = unchanged,
        draw_partners: Callable[[], Tensor] | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.data = data
        self.device = device or data.device
        self.n_batches = count_batches(len(data), batch_size)
        self.generator = generator
        self.anchor_view = anchor_view
        self.partner_view = partner_view
        self.draw_partners = draw_partners

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Batch]:
        place = self.data.device
        order = torch.randperm(len(self.data), generator=self.generator).to(place)
        partners = (
            None if self.draw_partners is None else self.draw_partners().to(place)
        )
        for rows in order.tensor_split(self.n_batches):
            wanted = rows if partners is None else torch.cat([rows, partners[rows]])
            samples = self.data.index_select(0, wanted).to(self.device)
            if partners is None:  # read once, seen twice
                samples = torch.cat([samples, samples])
            yield Batch(self._view(samples), rows.to(self.device))

    def _view(self, samples: Tensor) -> Tensor:
        if self.anchor_view is self.partner_view:
            return self.anchor_view(samples)
        anchor, partner = samples.chunk(2)
        return torch.cat([self.anchor_view(anchor), self.partner_view(partner)])


def fit_loop(
    module: nn.Module,
    objective: Objective,
    batches: BatchSource,
    optimizer: torch.optim.Optimizer,
    *,
    n_epochs: int,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    autocast: AbstractContextManager[object] | None = None,
    starts_good: bool = False,
    after_epoch: Callable[[Record], bool] | None = None,
    stage: str = "training",
    verbose: int = 0,
) -> list[Record]:
    """Train `module` for `n_epochs` passes over `batches`.

    Where the loss does not stay finite, training stops at once, and the module has the
    weights of the last good epoch.

    Parameters
    ----------
    module : nn.Module
        From the views of a batch to outputs (n_heads, b, n_outputs).
    objective : Objective
        The loss of the outputs; the heads' losses are summed.
    batches : BatchSource
        The batches.
    optimizer : torch.optim.Optimizer
        Holds the parameters to train.
    n_epochs : int
        The number of passes.
    scheduler : torch.optim.lr_scheduler.LRScheduler, optional
        Stepped after every batch.
    autocast : context manager, optional
        Around the module's forward pass.
    starts_good : bool, default=False
        Whether the weights at the start are worth keeping, should the first epoch
        diverge.
    after_epoch : callable, optional
        Called with the epoch's entry of the history, to which it may add, while the
        module is in evaluation mode. Where it returns True, training stops.
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
        If the loss is not finite in the first epoch, unless `starts_good`.

    Warns
    -----
    ConvergenceWarning
        If the loss is not finite in a later one, or in the first if `starts_good`.
    """
    history: list[Record] = []
    progress = tqdm(
        range(1, n_epochs + 1), desc=stage, unit="epoch", disable=verbose <= 0
    )
    good_weights: Mapping[str, Tensor] = {}
    if starts_good:
        good_weights = copy.deepcopy(module.state_dict())
    for epoch in progress:
        module.train()
        terms = run_epoch(module, objective, batches, optimizer, scheduler, autocast)
        module.eval()
        loss = sum(terms.values())
        if not (math.isfinite(loss) and _is_finite(module)):
            _settle_divergence(module, good_weights, loss, epoch, stage)
            break
        good_weights = copy.deepcopy(module.state_dict())
        history.append({"stage": stage, "epoch": epoch, "loss": loss, **terms})
        progress.set_postfix(loss=f"{loss:.3f}", refresh=False)
        if after_epoch is not None and after_epoch(history[-1]):
            break
    return history


def _is_finite(module: nn.Module) -> bool:
    values = [v for v in module.state_dict().values() if v.is_floating_point()]
    return not values or bool(torch.stack([v.isfinite().all() for v in values]).all())


def _settle_divergence(
    module: nn.Module,
    good_weights: Mapping[str, Tensor],
    loss: float,
    epoch: int,
    stage: str,
) -> None:
    """Give the module its last good weights back; raise if there are none."""
    event = f"The loss became {loss} in epoch {epoch} of the {stage} stage"
    if not good_weights:
        raise DivergenceError(f"{event}: lower learning_rate.")
    module.load_state_dict(good_weights)
    kept = f"weights of epoch {epoch - 1}" if epoch > 1 else "weights it began with"
    warn(
        f"{event}, which stopped there with the {kept}: lower learning_rate.",
        ConvergenceWarning,
    )


def run_epoch(
    module: nn.Module,
    objective: Objective,
    batches: BatchSource,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    autocast: AbstractContextManager[object] | None = None,
) -> dict[str, float]:
    """Make one pass over `batches`; return the mean of each term.

    Once a term is not finite the pass ends: what follows could not mend it.
    """
    totals: dict[str, Tensor] = {}
    for step, batch in enumerate(batches, start=1):
        terms = train_step(module, objective, batch, optimizer, autocast)
        for name, term in terms.items():
            totals[name] = totals.get(name, 0) + term
        if scheduler is not None:
            scheduler.step()
        looks = batch.views.device.type == "cpu" or step % _STEPS_UNSEEN == 0
        if looks and not all(bool(t.isfinite().all()) for t in totals.values()):
            break
    return {name: t.mean().item() / len(batches) for name, t in totals.items()}


@torch.no_grad()
def evaluate(
    module: nn.Module,
    objective: Objective,
    batches: BatchSource,
    *,
    n_passes: int = 1,
    n_batches: int | None = None,
) -> Tensor:
    """Return the mean loss of each head, shape (n_heads,), over `n_passes` passes.

    With `n_batches`, over no more batches than that, which are as good as drawn.
    """
    module.eval()
    passes = chain.from_iterable(repeat(batches, n_passes))
    losses = [
        torch.stack([*objective.losses(module(views), targets).values()]).sum(dim=0)
        for views, targets in islice(passes, n_batches)
    ]
    return torch.stack(losses).mean(dim=0)


def train_step(
    module: nn.Module,
    objective: Objective,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    autocast: AbstractContextManager[object] | None = None,
) -> Mapping[str, Tensor]:
    """Take one step down the sum of the heads' losses; return the terms per head."""
    with autocast or nullcontext():
        outputs = module(batch.views)
    terms, gradient = objective.value_and_gradient(
        outputs.detach().float(), batch.targets
    )
    optimizer.zero_grad(set_to_none=True)
    outputs.backward(gradient.to(outputs.dtype))
    optimizer.step()
    return terms
