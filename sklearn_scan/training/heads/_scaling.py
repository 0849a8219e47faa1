"""Scalers: what brings features to the heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.core.mapped_rows import Rows


class Standardize(nn.Module):
    """Shift and scale each feature by the training set's mean and deviation.

    Parameters
    ----------
    mean, std : Tensor of shape (embed_dim,)
        The statistics of the training features. Where a feature is constant its
        deviation should be one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def from_features(cls, features: Rows) -> Standardize:
        """Measure `features` of shape (n, embed_dim)."""
        std = features.std(dim=0, correction=0)
        return cls(features.mean(dim=0), std.masked_fill(is_constant(features), 1.0))

    @property
    def space_dims(self) -> tuple[int, ...]:
        """The widths of the feature spaces that it returns: here, of one."""
        return (len(self.mean),)

    def forward(self, features: Tensor) -> Tensor:
        """Return the standardised features, of the same shape."""
        return (features - self.mean) / self.std


def is_constant(features: Rows) -> Tensor:
    """Tell which columns of `features` (n, d) hold one value, as bools (d,)."""
    # Of a constant feature, the deviation is made of rounding errors only.
    least = 1e-6 * features.mean(dim=0).abs().clamp_min(1e-6)
    return features.std(dim=0, correction=0) <= least


class Directions(Standardize):
    """Give all features the same length, seen from the training set's mean.

    What is left is the angle, by which neighbours are found, and a variance of about
    one; features that vary little tell little.

    Parameters
    ----------
    mean : Tensor of shape (embed_dim,)
        The mean of the training features.
    """

    def __init__(self, mean: Tensor) -> None:
        super().__init__(mean, torch.ones_like(mean))

    @classmethod
    def from_features(cls, features: Rows) -> Directions:
        """Measure `features` of shape (n, embed_dim)."""
        return cls(features.mean(dim=0))

    def forward(self, features: Tensor) -> Tensor:
        """Return features of length sqrt(embed_dim), or of zero at the mean."""
        return F.normalize(features - self.mean, dim=1) * len(self.mean) ** 0.5
