"""The training loop: run → epoch → step → loss, one for every stage and pretext."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain, islice, repeat
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from tqdm.auto import tqdm

from sklearn_scan.core.random import let_others_draw, random_state, set_random_state
from sklearn_scan.core.threads import adjust_threads
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.exceptions import DivergenceError
from sklearn_scan.training.averaging import copy_weights
from sklearn_scan.training.batches import Batch, BatchSource, Views
from sklearn_scan.training.epoch import Epoch
from sklearn_scan.training.objectives import Gradients, Objective, Terms, join_views
from sklearn_scan.training.split_batches import share_weights

Record = dict[str, Any]  # of an epoch, in the history


class LoopCallback:
    """Follows a training loop. Each method does nothing unless a subclass writes it.

    What a callback remembers from one epoch to the next is in its `state_dict`, as
    plain data and tensors, so that a loop that was interrupted can go on.
    """

    def begin(self, loop: Loop) -> None:
        """Do what comes before the first epoch of a run, `loop.n_epochs` long."""

    def before_epoch(self, loop: Loop) -> None:
        """Do what comes before an epoch."""

    def after_step(self, loop: Loop) -> None:
        """Do what comes after a step; the loop's state may be taken here too."""

    def after_epoch(self, loop: Loop, record: Record) -> bool:
        """Do what comes after an epoch; return True to stop the training.

        Parameters
        ----------
        loop : Loop
            Its module is in evaluation mode.
        record : dict
            The epoch's entry of the history, to which more may be added.
        """
        return False

    def end(self, loop: Loop) -> None:
        """Do what comes after the last epoch of a run; not called after an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return what is remembered between epochs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember what a state says."""


class Loop:
    """Trains a module by an objective, epoch after epoch.

    Where the loss does not stay finite, training stops at once, and module and
    objective are again as they were after the last good epoch.

    Parameters
    ----------
    module : nn.Module
        From the views of a batch to a tuple of outputs (n_heads, b, n_outputs). What
        is to be kept and brought back with it, such as a moving average, is a part
        of it.
    objective : Objective
        The loss of the outputs; the heads' losses are summed.
    batches : BatchSource
        The batches.
    optimizer : torch.optim.Optimizer
        Holds the parameters to train.
    scheduler : torch.optim.lr_scheduler.LRScheduler, optional
        Stepped after every batch.
    autocast : context manager, optional
        Around the module's forward pass.
    starts_good : bool, default=False
        Whether the weights at the start are worth keeping, should the first epoch
        diverge.
    callbacks : sequence of LoopCallback, default=()
        Told of each epoch, in their order. One that saves the loop comes last.
    stage : str, default="training"
        The name in the history and on the progress bar.
    verbose : int, default=0
        Above zero, shows a progress bar.

    Attributes
    ----------
    history : list of dict
        Per epoch: "stage", "epoch" (from 1), "loss" and the objective's terms, as
        means over heads and batches.
    is_stopped : bool
        Whether training is over: a callback stopped it, or the loss diverged.
    n_epochs : int
        How many epochs the run has in all.

    Examples
    --------
    >>> from sklearn_scan.training.batches import MultiView, ViewPairs
    >>> from sklearn_scan.training.heads import ClusterHeads
    >>> from sklearn_scan.training.objectives import ScanLoss
    >>> generator = torch.Generator().manual_seed(0)
    >>> heads = ClusterHeads(4, n_clusters=3, n_heads=2, generator=generator)
    >>> pairs = ViewPairs(torch.eye(4), batch_size=2, generator=generator)
    >>> optimizer = torch.optim.Adam(heads.parameters())
    >>> loop = Loop(MultiView(heads), ScanLoss(), pairs, optimizer)
    >>> [record["epoch"] for record in loop.run(n_epochs=2)]
    [1, 2]
    """

    def __init__(
        self,
        module: nn.Module,
        objective: Objective,
        batches: BatchSource,
        optimizer: torch.optim.Optimizer,
        *,
        scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
        autocast: AbstractContextManager[object] | None = None,
        starts_good: bool = False,
        callbacks: Sequence[LoopCallback] = (),
        stage: str = "training",
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.objective = objective
        self.batches = batches
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.autocast = autocast or nullcontext()
        self.starts_good = starts_good
        self.callbacks = list(callbacks)
        self.stage = stage
        self.verbose = verbose
        self.history: list[Record] = []
        self.is_stopped = False
        self.n_epochs = 0
        self._epoch: Epoch | None = None  # that is under way

    def run(self, n_epochs: int) -> list[Record]:
        """Train until there are `n_epochs` epochs in all; return the history.

        After `load_state_dict` the run goes on from the step of that state.

        Raises
        ------
        DivergenceError
            If the loss is not finite in the first epoch, unless `starts_good`.

        Warns
        -----
        ConvergenceWarning
            If the loss is not finite in a later one, or in the first if `starts_good`.
        """
        self.n_epochs = n_epochs
        for callback in self.callbacks:
            callback.begin(self)
        with tqdm(
            total=n_epochs,
            initial=len(self.history),
            desc=self.stage,
            unit="epoch",
            disable=self.verbose <= 0,
        ) as progress:
            while len(self.history) < n_epochs and not self.is_stopped:
                self._add_epoch()
                if self.history:
                    loss = f"{self.history[-1]['loss']:.3f}"
                    progress.set_postfix(loss=loss, refresh=False)
                progress.update(len(self.history) - progress.n)
            if self.is_stopped:  # a bar that stays in the middle looks like a failure
                progress.total = progress.n
                progress.refresh()
        for callback in self.callbacks:
            callback.end(self)
        return self.history

    def _add_epoch(self) -> None:
        """Make an epoch and add it to the history, or go back if it diverged."""
        adjust_threads()
        share_weights(self._trained)  # which rounding on a GPU may have parted
        for callback in self.callbacks:
            callback.before_epoch(self)
        if self._epoch is None:  # else one that was interrupted
            is_good = bool(self.history) or self.starts_good
            self._epoch = Epoch(copy_weights(self._trained) if is_good else None)
        good = self._epoch.good
        terms = self.run_epoch()
        loss = sum(terms.values())
        if not (math.isfinite(loss) and _is_finite(self.module)):
            self._stop_diverged(good, loss)
            return
        epoch = len(self.history) + 1
        record = {"stage": self.stage, "epoch": epoch, "loss": loss, **terms}
        self.history.append(record)
        for callback in self.callbacks:
            if callback.after_epoch(self, record):
                self.is_stopped = True

    @property
    def _trained(self) -> nn.Module:
        """What training changes."""
        return nn.ModuleList([self.module, self.objective])

    def _stop_diverged(self, good: dict[str, Any] | None, loss: float) -> None:
        """Bring the last good weights back; raise if there are none."""
        epoch = len(self.history) + 1
        event = f"The loss became {loss} in epoch {epoch} of the {self.stage} stage"
        if good is None:
            raise DivergenceError(
                Message("{}: lower {}.", event, Setting("learning_rate"))
            )
        self._trained.load_state_dict(good)
        self.is_stopped = True
        kept = f"weights of epoch {epoch - 1}" if epoch > 1 else "weights it began with"
        warn(
            Message(
                "{}, which stopped there with the {}: lower {}.",
                *(event, kept, Setting("learning_rate")),
            ),
            ConvergenceWarning,
        )

    def run_epoch(self) -> dict[str, float]:
        """Make one pass over the batches; return the mean of each term.

        Once a term is not finite the pass ends: what follows could not mend it. The
        module is in evaluation mode afterwards.
        """
        epoch = self._epoch = self._epoch or Epoch(good=None)
        self.module.train()
        for batch in self.batches:
            epoch.add(self.step(batch))
            if not epoch.is_finite:
                break
            for callback in self.callbacks:
                callback.after_step(self)
            let_others_draw()
        self.module.eval()
        self._epoch = None
        means = [total.mean().item() / len(self.batches) for total in epoch.totals]
        return dict(zip(epoch.names, means, strict=True))

    def step(self, batch: Batch) -> Terms:
        """Take a step down the sum of the heads' losses; return the terms per head."""
        with self.autocast:
            outputs = self.module(batch.views)
        seen = tuple(part.detach().float() for part in outputs)
        self.objective.prepare(seen, batch.targets)
        terms, gradient = self.objective.gradient(seen, batch.targets)
        self.objective.remember(seen, batch.targets)
        self.module.zero_grad()
        _backward(outputs, gradient)
        self.optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return terms

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next steps depend on, as plain data and tensors.

        To be taken between epochs, or by a callback after a step. The tensors are those
        in use: write them to a file, or copy them, before training goes on.
        """
        scheduler, epoch = self.scheduler, self._epoch
        return {
            "module": self.module.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if scheduler is None else scheduler.state_dict(),
            "batches": self.batches.state_dict(),
            "random": random_state(self._device),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "history": self.history,
            "is_stopped": self.is_stopped,
            "epoch": None if epoch is None else vars(epoch),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, that of a loop made in the same way.

        torch's global random state becomes that of the interrupted loop, for what
        draws from it; where `state["random"]` is None it stays.
        """
        state = copy.deepcopy(state)
        self.module.load_state_dict(state["module"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.batches.load_state_dict(state["batches"])
        for callback, of_callback in zip(
            self.callbacks, state["callbacks"], strict=True
        ):
            callback.load_state_dict(of_callback)
        self.history = state["history"]
        self.is_stopped = state["is_stopped"]
        epoch = state["epoch"]
        self._epoch = None if epoch is None else Epoch(**epoch)
        if self._epoch is not None:
            self._epoch.totals = self._epoch.totals.to(self._device)
        if state["random"] is not None:
            set_random_state(state["random"], self._device)

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.optimizer.param_groups[0]["params"][0].device
        return device


def _backward(outputs: tuple[Tensor, ...], gradient: Gradients) -> None:
    """Send a gradient back through those outputs that learn."""
    learning = [
        (part, of_part)
        for part, of_part in zip(outputs, gradient, strict=True)
        if part.requires_grad and of_part is not None
    ]
    if isinstance(outputs, Views) and len(learning) == len(outputs):
        learning = [(outputs.whole, join_views([of_part for _, of_part in learning]))]
    parts = [part for part, _ in learning]
    torch.autograd.backward(parts, [g.to(part.dtype) for part, g in learning])


def _is_finite(module: nn.Module) -> bool:
    values = [v for v in module.state_dict().values() if v.is_floating_point()]
    return not values or bool(torch.stack([v.isfinite().all() for v in values]).all())


@torch.no_grad()
def evaluate(
    module: nn.Module,
    objective: Objective,
    batches: BatchSource,
    *,
    n_passes: int = 1,
    n_batches: int | None = None,
) -> Tensor:
    """Return the mean loss of each head over several passes, with the module as it is.

    Parameters
    ----------
    module, objective, batches
        As for `Loop`. The module is set to evaluation mode.
    n_passes : int, default=1
        The number of passes over the batches.
    n_batches : int, optional
        The most batches to take, which are as good as drawn.

    Returns
    -------
    Tensor of shape (n_heads,)
    """
    module.eval()
    passes = chain.from_iterable(repeat(batches, n_passes))
    losses = [
        torch.stack([*objective.losses(module(views), targets).values()]).sum(dim=0)
        for views, targets in islice(passes, n_batches)
    ]
    return torch.stack(losses).mean(dim=0)
