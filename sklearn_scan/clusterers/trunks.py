"""What heads are trained on: features as they are, or images and their backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_scan.core.device import autocast, place, resolve_precision, to_compute
from sklearn_scan.core.mapped_rows import Rows, through
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.encoders import Encoder, EncoderList, Preprocessing
from sklearn_scan.images import BadImages, ImageSource, load_pixels
from sklearn_scan.images.augment import (
    WeakViews,
    default_strong_views,
    default_weak_views,
)
from sklearn_scan.training.batches import View, unchanged
from sklearn_scan.training.heads import Scaler
from sklearn_scan.training.split_batches import split_batches

# "auto", or a function from images (b, c, h, w) to augmented ones.
StrongViews = str | Callable[[Tensor], Tensor]

_EMBEDDING_BATCH = 256
_SHIFTS = WeakViews(flip_probability=0)


class Trunk(ABC):
    """The samples, and the network from views of them to the heads' features.

    Attributes
    ----------
    samples : Tensor or MappedRows of shape (n, ...)
        What the views are made of.
    body : nn.Module
        From views to the features that the heads see.
    weak_view, moved_view, strong_view : callable
        From a batch of samples to views: plain ones, those that a flip and a small
        shift make of images, and strongly augmented ones.
    device : torch.device
        Where to compute.
    dims : tuple of int
        The number of features of each encoder; each has heads of its own.
    is_trained : bool
        Whether the body is trained along with the heads.
    draws : bool
        Whether views or the body draw from torch's global generators.
    scale : Tensor of shape (embed_dim,) or None
        What the features were divided by; None if all were divided alike.
    scaler : Scaler or None
        What scales the features last, where it is a part of the body.
    """

    samples: Rows
    body: nn.Module
    weak_view: View = staticmethod(unchanged)
    moved_view: View = staticmethod(unchanged)
    strong_view: View = staticmethod(unchanged)
    device: torch.device
    dims: tuple[int, ...]
    is_trained: bool = False
    draws: bool = False
    scale: Tensor | None = None
    scaler: Scaler | None = None

    @abstractmethod
    def features(self) -> Rows:
        """Return the features of all plain samples, (n, embed_dim), as they now are."""

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which the body computes."""
        return nullcontext()

    def split_batches(self) -> AbstractContextManager[None]:
        """Return the context in which processes share the work on a batch."""
        return nullcontext()


class FeatureTrunk(Trunk):
    """Features as they are.

    Parameters
    ----------
    features : Tensor or MappedRows of shape (n, embed_dim)
        Scaled or mapped, on the device to train on.
    dims : tuple of int, optional
        The number of features of each encoder, if there are several.
    scale : Tensor of shape (embed_dim,), optional
        What they were divided by, if by a number for each feature.
    """

    def __init__(
        self,
        features: Rows,
        dims: tuple[int, ...] | None = None,
        scale: Tensor | None = None,
    ) -> None:
        self.samples = features
        self.scale = scale
        self.dims = dims or (features.shape[1],)
        self.body = nn.Identity()
        self.device = features.device

    def features(self) -> Rows:
        """Return the features."""
        return self.samples


class MapTrunk(Trunk):
    """Features, and a small map that is trained on them.

    Parameters
    ----------
    features : Tensor or MappedRows of shape (n, embed_dim)
        As they came, on the device to train on.
    scaler : Scaler
        The map, trained in place.
    """

    is_trained = True

    def __init__(self, features: Rows, scaler: Scaler) -> None:
        self.samples = features
        self.device = features.device
        self.scaler = self.body = scaler.to(features.device)
        self.dims = scaler.dims

    @torch.no_grad()
    def features(self) -> Rows:
        """Return the mapped features."""
        self.body.eval()
        return through(torch.no_grad()(self.body), self.samples)


class BackboneTrunk(Trunk):
    """A backbone that is trained along with the heads, on augmented images.

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
    move : callable, default=WeakViews(flip_probability=0)
        To their weak views.
    device : torch.device
        Where to train.
    dtype : torch.dtype
        The number format of the backbone's arithmetic.
    """

    is_trained = True
    draws = True  # as augmentations do, and dropout

    def __init__(
        self,
        images: Tensor,
        backbone: nn.Module,
        scaler: Scaler,
        preprocessing: Preprocessing,
        *,
        augment: Callable[[Tensor], Tensor],
        move: Callable[[Tensor], Tensor] = _SHIFTS,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.samples: Tensor = place(images, device)
        self.backbone = to_compute(backbone, device)
        self.scaler = scaler.to(device)
        self.body = nn.Sequential(self.backbone, self.scaler)
        self.weak_view = preprocessing.view()
        self.moved_view = preprocessing.view(move)
        self.strong_view = preprocessing.view(augment, name="strong_views")
        self.device = device
        self.scale = scaler.scale
        self._dtype = dtype
        self.dims = scaler.dims

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        source: ImageSource,
        rows: NDArray[np.int64],
        scaler: Scaler,
        *,
        augment: StrongViews,
        device: torch.device,
        precision: str,
        n_jobs: int | None,
    ) -> BackboneTrunk:
        """Return the backbone of a fitted encoder, with some images of a source."""
        module, preprocessing = encoder.for_training()
        pixels = load_pixels(
            source,
            preprocessing.crop,
            rows.tolist(),
            BadImages("raise"),  # of these, all could be read a moment ago
            n_jobs=n_jobs,
        )
        move = _SHIFTS  # views of one's own may be there so that nothing is mirrored
        if isinstance(augment, str):
            augment = default_strong_views(pixels.shape[1])
            move = default_weak_views(pixels.shape[1])
        return cls(
            torch.from_numpy(pixels),
            module,
            scaler,
            preprocessing,
            augment=augment,
            move=move,
            device=device,
            dtype=resolve_precision(precision, device),
        )

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which the backbone computes in its number format."""
        return autocast(self.device, self._dtype)

    def split_batches(self) -> AbstractContextManager[None]:
        """Return the context in which the backbone sees a part of each batch."""
        return split_batches(self.backbone)

    @torch.no_grad()
    def features(self) -> Tensor:
        """Embed all plain images, in evaluation mode."""
        self.body.eval()
        rows = []
        for images in torch.split(self.samples, _EMBEDDING_BATCH):
            with self.autocast():
                rows.append(self.body(self.weak_view(images.to(self.device))).float())
        return torch.cat(rows)


def check_trainable(encoder: Encoder | None, precision: str) -> None:
    """Raise if the backbone of an encoder cannot be trained."""
    if encoder is None:
        raise ValueError(
            Message(
                "{} trains an encoder's backbone, but X holds features: pass images, "
                "or {}.",
                *(Setting("finetune", True), Setting("finetune", "auto")),
            )
        )
    if not encoder.is_trainable:
        name = type(encoder).__name__
        if isinstance(encoder, EncoderList):
            name = "a list of encoders"
        raise TypeError(
            Message(
                "{} trains an encoder's backbone, which {} does not offer: pass {}, or "
                "{} as {}.",
                *(Setting("finetune", True), name),
                Setting("finetune", False),
                Advice("trainable", "an ImageEncoder or a pretext"),
                Setting("encoder"),
            )
        )
    check_training_precision(precision)


def check_training_precision(precision: str) -> None:
    """Raise if backbones are not trained in this number format."""
    if precision == "fp16":
        raise ValueError(
            "precision must be 'auto', 'fp32' or 'bf16' to train a backbone in: "
            "gradients vanish in fp16."
        )
