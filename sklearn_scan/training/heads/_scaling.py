"""Scalers of the features that heads are trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Self, cast

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.core.features import is_constant
from sklearn_scan.core.mapped_rows import MappedRows, Rows
from sklearn_scan.core.warn import warn


class Scaler(nn.Module, ABC):
    """A map from features (b, embed_dim) to scaled ones (b, sum of dims)."""

    @property
    @abstractmethod
    def dims(self) -> tuple[int, ...]:
        """The number of columns of each encoder in the output."""

    @property
    def scale(self) -> Tensor | None:
        """The divisor of each feature; None if it is the same for all."""
        return None


class Standardize(Scaler):
    """Shift and scale each feature by the training set's mean and deviation.

    Parameters
    ----------
    mean, std : Tensor of shape (embed_dim,)
        The statistics of the training features; the deviation of a constant feature
        is one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def from_features(cls, features: Rows) -> Self:
        """Return the scaler of training features (n, embed_dim)."""
        std = features.std(dim=0, correction=0)
        return cls(features.mean(dim=0), std.masked_fill(is_constant(features), 1.0))

    @property
    def dims(self) -> tuple[int, ...]:
        """The number of features, of one encoder."""
        return (len(self.mean),)

    @property
    def scale(self) -> Tensor:
        """The deviation of each feature."""
        return self.std

    def forward(self, features: Tensor) -> Tensor:
        """Return the standardised features, of the same shape."""
        return (features - self.mean) / self.std


class Directions(Scaler):
    """Subtract the training set's mean, and scale all rows to the same length.

    What is left is the direction, by which neighbours are found, with a variance of
    about one.

    Parameters
    ----------
    mean : Tensor of shape (embed_dim,)
        The mean of the training features.
    """

    mean: Tensor

    def __init__(self, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)

    @classmethod
    def from_features(cls, features: Rows) -> Self:
        """Return the scaler of training features (n, embed_dim)."""
        return cls(features.mean(dim=0))

    @property
    def dims(self) -> tuple[int, ...]:
        """The number of features, of one encoder."""
        return (len(self.mean),)

    def forward(self, features: Tensor) -> Tensor:
        """Return rows of length sqrt(embed_dim); zeros for a row at the mean."""
        length: float = len(self.mean) ** 0.5
        return F.normalize(features - self.mean, dim=1) * length


class BlockScaler(Scaler):
    """Scale the columns of each encoder by a scaler of their own.

    Encoders whose features are the same for all samples are left out: their heads could
    not tell samples apart.

    Parameters
    ----------
    scalers : sequence of Scaler
        The scalers of the encoders that are kept.
    widths : sequence of int
        The number of columns of each encoder in the input.
    kept : sequence of bool
        Whether each encoder is kept.
    """

    def __init__(
        self, scalers: Sequence[Scaler], widths: Sequence[int], kept: Sequence[bool]
    ) -> None:
        super().__init__()
        self.scalers = nn.ModuleList(scalers)
        self.widths = list(widths)
        self.kept = list(kept)

    @property
    def dims(self) -> tuple[int, ...]:
        """The number of columns of each encoder that is kept."""
        return tuple(dim for each in self.scalers for dim in cast(Scaler, each).dims)

    @property
    def scale(self) -> Tensor | None:
        """The divisor of each feature that is kept."""
        scales = [cast(Scaler, scaler).scale for scaler in self.scalers]
        known = [scale for scale in scales if scale is not None]
        return torch.cat(known) if known else None

    def forward(self, features: Tensor) -> Tensor:
        """Return the scaled features of the kept encoders, shape (b, sum of dims)."""
        blocks = torch.split(features, self.widths, dim=1)
        kept = [b for b, is_kept in zip(blocks, self.kept, strict=True) if is_kept]
        scaled = [scale(block) for scale, block in zip(self.scalers, kept, strict=True)]
        return torch.cat(scaled, dim=1)


def make_scaler(
    make: Callable[[Rows], Scaler], features: Rows, dims: Sequence[int]
) -> Scaler:
    """Return the scaler of features, of one encoder or of several."""
    if len(dims) == 1 or isinstance(features, MappedRows):
        return make(features)
    blocks = torch.split(features, list(dims), dim=1)
    kept = [not bool(is_constant(block).all()) for block in blocks]
    if not any(kept):
        kept = [True] * len(blocks)
    for i, is_kept in enumerate(kept):
        if not is_kept:
            warn(
                f"The features of encoder {i}, or of X[{i}], are the same for all "
                "samples, and were left out.",
                ConvergenceWarning,
            )
    scalers = [make(b) for b, is_kept in zip(blocks, kept, strict=True) if is_kept]
    return BlockScaler(scalers, dims, kept)
