"""What lies before the heads: features as they are, or a backbone trained along."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from sklearn_scan.core.device import autocast, place, to_compute
from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.encoders import Preprocessing
from sklearn_scan.training.heads import Scaler
from sklearn_scan.training.loop import View, unchanged

__all__ = ["BackboneTrunk", "FeatureTrunk", "Trunk"]

_EMBEDDING_BATCH = 256


class Trunk(ABC):
    """The samples that heads learn from, and what brings them to the heads.

    Attributes
    ----------
    samples : Tensor or MappedRows of shape (n, ...)
        What the views are made of.
    body : nn.Module
        From views to the features that the heads see.
    weak_view, strong_view : callable
        From a batch of samples to views: plain ones, and augmented ones.
    device : torch.device
        Where to compute.
    is_trained : bool
        Whether the body learns along with the heads.
    scale : Tensor of shape (embed_dim,) or None
        What the features were divided by, where it counts for angles between them.
    """

    samples: Rows
    body: nn.Module
    weak_view: View = staticmethod(unchanged)
    strong_view: View = staticmethod(unchanged)
    device: torch.device
    is_trained: bool = False
    scale: Tensor | None = None

    @abstractmethod
    def features(self) -> Rows:
        """Return the features of all plain samples, (n, embed_dim), as they now are."""

    @property
    @abstractmethod
    def embed_dim(self) -> int:
        """The number of features that the heads see."""

    @property
    def dims(self) -> tuple[int, ...]:
        """The widths of the feature spaces, which have a head each."""
        return (self.embed_dim,)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which the body computes."""
        return nullcontext()


class FeatureTrunk(Trunk):
    """Features as they are.

    Parameters
    ----------
    features : Tensor or MappedRows of shape (n, embed_dim)
        Standardised, on the device to train on.
    dims : tuple of int, optional
        The widths of the feature spaces, if there are several side by side.
    scale : Tensor of shape (embed_dim,), optional
        What they were divided by.
    """

    def __init__(
        self,
        features: Rows,
        dims: tuple[int, ...] | None = None,
        scale: Tensor | None = None,
    ) -> None:
        self.samples = features
        self.scale = scale
        self._space_dims = dims
        self.body = nn.Identity()
        self.device = features.device

    @property
    def embed_dim(self) -> int:
        """The number of features."""
        return self.samples.shape[1]

    @property
    def dims(self) -> tuple[int, ...]:
        """The widths of the feature spaces."""
        return self._space_dims or super().dims

    def features(self) -> Rows:
        """Return the features."""
        return self.samples


class BackboneTrunk(Trunk):
    """A backbone that learns along with the heads, from augmented images.

    Parameters
    ----------
    images : Tensor of uint8, shape (n, c, h, w)
        With c = 1 where all are grey, and else 3.
    backbone : nn.Module
        From normalised images (b, 3, h, w) to features (b, embed_dim); trained in
        place.
    scaler : Scaler
        What standardises the features before training; it does not change.
    preprocessing : Preprocessing
        How the backbone's images are normalised.
    augment : callable
        From float images (b, c, h, w) in [0, 1] to their strong views.
    device : torch.device
        Where to train.
    dtype : torch.dtype
        The number format of the backbone's arithmetic.
    """

    is_trained = True

    def __init__(
        self,
        images: Tensor,
        backbone: nn.Module,
        scaler: Scaler,
        preprocessing: Preprocessing,
        *,
        augment: Callable[[Tensor], Tensor],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.samples: Tensor = place(images, device)
        self.backbone = to_compute(backbone, device)
        self.body = nn.Sequential(self.backbone, scaler.to(device))
        self.weak_view = preprocessing.view()
        self.strong_view = preprocessing.view(augment, name="strong_views")
        self.device = device
        self.scale = scaler.scale
        self._dtype = dtype
        self._embed_dim = sum(scaler.dims)

    @property
    def embed_dim(self) -> int:
        """The number of the backbone's features."""
        return self._embed_dim

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which the backbone computes in its number format."""
        return autocast(self.device, self._dtype)

    @torch.no_grad()
    def features(self) -> Tensor:
        """Embed all plain images, in evaluation mode."""
        self.body.eval()
        rows = []
        for images in self.samples.split(_EMBEDDING_BATCH):
            with self.autocast():
                rows.append(self.body(self.weak_view(images.to(self.device))).float())
        return torch.cat(rows)
