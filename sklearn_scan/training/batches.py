"""Batches of views: what the training loop sees of the samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.sending import send

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
        """Return what the batches to come depend on, also amid a pass.

        These are the states of the generators, and how far the pass has come.
        """

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state: the next pass is the rest of the one it was taken in."""


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
        self._first: Tensor | None = None  # the generator's state when the pass began
        self._n_done = 0  # batches of this pass
        self._is_resumed = False

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Batch]:
        rows = self._resume_pass() if self._is_resumed else self._begin_pass()
        for batch in rows[self._n_done :]:
            views = self._views(batch)
            self._n_done += 1  # before: who gets the batch may take the state
            yield Batch(views, send(batch, self.device))
        self._first = None

    def _begin_pass(self) -> tuple[Tensor, ...]:
        """Draw the order of the samples; return the rows of each batch."""
        self._first, self._n_done = self.generator.get_state(), 0
        return self._draw()

    def _resume_pass(self) -> tuple[Tensor, ...]:
        """Draw the order of a pass again, and let the generator be as it now is."""
        assert self._first is not None  # for mypy: so it was loaded
        self._is_resumed, now = False, self.generator.get_state()
        self.generator.set_state(self._first)
        rows = self._draw()
        self.generator.set_state(now)
        return rows

    def _draw(self) -> tuple[Tensor, ...]:
        """Draw what is drawn once a pass; return the rows of each batch."""
        order = torch.randperm(len(self.data), generator=self.generator)
        return order.to(self.data.device).tensor_split(self.n_batches)

    @abstractmethod
    def _views(self, batch: Tensor) -> Tensor:
        """Return the views of the samples of a batch."""

    def _read(self, rows: Tensor) -> Tensor:
        """Return samples on the device to compute on."""
        return send(self.data.index_select(0, rows), self.device)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the generator, and of the pass that is under way."""
        state: dict[str, Any] = {"generator": self.generator.get_state()}
        if self._first is not None:
            state["pass"] = {"first": self._first, "n_done": self._n_done}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.generator.set_state(state["generator"].cpu())
        self._first = None
        if "pass" in state:
            self._first = state["pass"]["first"].cpu()
            self._n_done = state["pass"]["n_done"]
        self._is_resumed = self._first is not None


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

    def _views(self, batch: Tensor) -> Tensor:
        return self.view(self._read(batch))


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

    def _draw(self) -> tuple[Tensor, ...]:
        rows = super()._draw()
        self._partners: Tensor | None = None
        if self.draw_partners is not None:
            self._partners = self.draw_partners().to(self.data.device)
        return rows

    def _views(self, batch: Tensor) -> Tensor:
        if self._partners is None:  # read once, seen twice
            samples = self._read(batch)
            return self._view_both(torch.cat([samples, samples]))
        return self._view_both(self._read(torch.cat([batch, self._partners[batch]])))

    def _view_both(self, samples: Tensor) -> Tensor:
        """Return the views of anchors, then of partners."""
        if self.anchor_view is self.partner_view:
            return self.anchor_view(samples)
        anchors, partners = samples.chunk(2)
        return torch.cat([self.anchor_view(anchors), self.partner_view(partners)])


class LabeledAndAll(_ShuffledBatches):
    """A few labelled samples in each batch, and two views of each of all samples.

    The views of a batch are the first views of its labelled samples, then the first and
    the second ones of the others. Its targets are the rows in `data` of the labelled
    samples, then of the others.

    Each pass holds all samples once, labelled ones too. The labelled samples of the
    batches are drawn so that every cluster comes equally often, however large it is:
    the clusters take turns, in a new order each time, and the sample of a cluster is
    drawn with replacement.

    Parameters
    ----------
    data : Tensor or MappedRows of shape (n, ...)
        The samples, features or images.
    labels : Tensor of int64, shape (n,)
        The cluster of each labelled sample; -1 for the others. One at least is
        labelled.
    batch_size : int
        The largest batch of all samples; batches differ by one at most, none is
        dropped.
    n_labeled : int
        The labelled samples of a batch.
    generator : torch.Generator
        Draws the order of the samples, and labelled ones.
    first_view, second_view : callable, default=unchanged
        From a batch of samples to its view.
    device : torch.device, optional
        Where the batches are wanted; by default, where the data are.
    """

    def __init__(
        self,
        data: Rows,
        labels: Tensor,
        batch_size: int,
        n_labeled: int,
        *,
        generator: torch.Generator,
        first_view: View = unchanged,
        second_view: View = unchanged,
        device: torch.device | None = None,
    ) -> None:
        super().__init__(data, batch_size, generator, device or data.device)
        self.n_labeled = n_labeled
        self.first_view = first_view
        self.second_view = second_view
        self.relabel(labels)

    def relabel(self, labels: Tensor) -> None:
        """Take other labels, (n,), for the passes to come."""
        self._labels = labels = labels.cpu()
        by_cluster = labels.argsort(stable=True)
        self._labeled = by_cluster[labels[by_cluster] >= 0]  # cluster by cluster
        counts = labels[self._labeled].bincount()
        self._counts = counts[counts > 0]

    def _draw(self) -> tuple[Tensor, ...]:
        labeled = self._draw_labeled().to(self.data.device)
        parts = labeled.tensor_split(self.n_batches)
        pairs = zip(parts, super()._draw(), strict=True)
        return tuple(torch.cat(pair) for pair in pairs)

    def _draw_labeled(self) -> Tensor:
        """Draw the rows of the labelled samples of all batches of a pass."""
        n_drawn, n_clusters = self.n_batches * self.n_labeled, len(self._counts)
        turns = torch.rand(
            count_batches(n_drawn, n_clusters), n_clusters, generator=self.generator
        )
        clusters = turns.argsort(dim=1).flatten()[:n_drawn]
        counts = self._counts[clusters]
        # in double precision, whose product with a count does not round up to it
        draws = torch.rand(n_drawn, generator=self.generator, dtype=torch.float64)
        starts = self._counts.cumsum(0) - self._counts
        return self._labeled[starts[clusters] + (draws * counts).long()]

    def _views(self, batch: Tensor) -> Tensor:
        samples = self._read(batch)
        first = self.first_view(samples)
        return torch.cat([first, self.second_view(samples[self.n_labeled :])])

    def state_dict(self) -> dict[str, Any]:
        """Return the labels too, of which the batches are drawn."""
        return super().state_dict() | {"labels": self._labels}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().load_state_dict(state)
        self.relabel(state["labels"])


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
