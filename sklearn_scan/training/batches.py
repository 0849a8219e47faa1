"""Batches of views: what the training loop sees of the samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from sklearn_scan.core.mapped_rows import Rows

View = Callable[[Tensor], Tensor]


class Batch(NamedTuple):
    """What a step trains on.

    Attributes
    ----------
    views : Tensor of shape (b, ...)
        The input of the module, in one call. Several views of a sample lie one after
        the other: first the first view of all samples.
    targets : Tensor of int64, shape (m,)
        What the objective is told about them.
    """

    views: Tensor
    targets: Tensor


class BatchSource(Protocol):
    """What the loop trains on: at each pass, batches of all samples."""

    def __len__(self) -> int:
        """Return the number of batches a pass."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of one pass, in a new order each time."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the next passes depend on: the state of the generators."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


def unchanged(data: Tensor) -> Tensor:
    """Return `data`: the view without augmentation."""
    return data


def count_batches(n_samples: int, batch_size: int) -> int:
    """Return the number of batches, alike in size, of at most `batch_size` samples."""
    return -(-n_samples // batch_size)


class _ShuffledBatches(ABC):
    """All samples in a random order, cut into batches alike in size."""

    def __init__(
        self,
        data: Rows,
        batch_size: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.data = data
        self.n_batches = count_batches(len(data), batch_size)
        self.generator = generator
        self.device = device

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.data), generator=self.generator)
        rows = order.to(self.data.device).tensor_split(self.n_batches)
        for batch, views in zip(rows, self._views(rows), strict=True):
            yield Batch(views, batch.to(self.device))

    @abstractmethod
    def _views(self, rows: tuple[Tensor, ...]) -> Iterator[Tensor]:
        """Yield the views of the samples of each batch."""

    def _read(self, rows: Tensor) -> Tensor:
        """Return samples on the device to compute on."""
        return self.data.index_select(0, rows).to(self.device)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generator."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the generator go on from a state."""
        self.generator.set_state(state["generator"].cpu())


class SingleViews(_ShuffledBatches):
    """A view of each sample; the targets of a batch are its samples' rows in `data`.

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
        super().__init__(data, batch_size, generator, device)
        self.view = view

    def _views(self, rows: tuple[Tensor, ...]) -> Iterator[Tensor]:
        return (self.view(self._read(batch)) for batch in rows)


class ViewPairs(_ShuffledBatches):
    """Two views of each sample, or of a sample and a partner drawn for it.

    The views of a batch are those of its anchors, then those of their partners; its
    targets are the anchors' rows in `data`.

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
        Returns the row of a partner for every sample, shape (n,), drawn by the same
        generator; called once a pass. By default each sample is its own partner.
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
        super().__init__(data, batch_size, generator, device or data.device)
        self.anchor_view = anchor_view
        self.partner_view = partner_view
        self.draw_partners = draw_partners

    def _views(self, rows: tuple[Tensor, ...]) -> Iterator[Tensor]:
        partners = None
        if self.draw_partners is not None:
            partners = self.draw_partners().to(self.data.device)
        for batch in rows:
            if partners is None:  # read once, seen twice
                samples = self._read(batch)
                samples = torch.cat([samples, samples])
            else:
                samples = self._read(torch.cat([batch, partners[batch]]))
            yield self._view_both(samples)

    def _view_both(self, samples: Tensor) -> Tensor:
        """Return the views of anchors, then of partners."""
        if self.anchor_view is self.partner_view:
            return self.anchor_view(samples)
        anchors, partners = samples.chunk(2)
        return torch.cat([self.anchor_view(anchors), self.partner_view(partners)])


class MultiView(nn.Module):
    """One network for all views of a batch: returns the outputs of each view.

    The network sees all views in one call, so that they share its batch statistics.

    Parameters
    ----------
    network : nn.Module
        From views (n_views * b, ...) to outputs (n_heads, n_views * b, n_outputs).
    n_views : int, default=2
        How many views of the samples a batch holds, one after the other.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(4, 3), nn.Unflatten(0, (1, -1)))
    >>> [tuple(outputs.shape) for outputs in MultiView(network)(torch.zeros(10, 4))]
    [(1, 5, 3), (1, 5, 3)]
    """

    def __init__(self, network: nn.Module, n_views: int = 2) -> None:
        super().__init__()
        self.network = network
        self.n_views = n_views

    def forward(self, views: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs of each view, (n_heads, b, n_outputs)."""
        return Views(self.network(views), self.n_views)


class Views(tuple[Tensor, ...]):
    """The parts of one tensor, (n_heads, n_views * b, n_outputs), view by view.

    Attributes
    ----------
    whole : Tensor
        That tensor. A gradient of all parts goes back through it without being copied,
        which takes 5 % of a step of SCAN's heads.
    """

    whole: Tensor

    def __new__(cls, whole: Tensor, n_views: int) -> Self:
        """Return the parts."""
        views = super().__new__(cls, whole.chunk(n_views, dim=1))
        views.whole = whole
        return views
