"""Features as rows of length one, where clusterers learn distances."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.core.features import is_constant
from sklearn_scan.training.heads._axes import PrincipalAxes
from sklearn_scan.training.heads._scaling import Scaler


class UnitRows(Scaler):
    """Scale rows to length one; after the training, standardise them for heads.

    Parameters
    ----------
    embed_dim : int
        The number of features that come out.
    before : nn.Module, optional
        What comes first, such as a map that is learnt.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, embed_dim: int, before: nn.Module | None = None) -> None:
        super().__init__()
        self.before = before
        self.register_buffer("mean", torch.zeros(embed_dim))
        self.register_buffer("std", torch.ones(embed_dim))

    @classmethod
    def learning(cls, scaler: Scaler, features: Tensor, most: int) -> Self:
        """Return rows after a linear map, which begins as the principal axes.

        Parameters
        ----------
        scaler : Scaler
            What scales the features (n, sum of scaler.dims) before.
        features : Tensor of shape (n, sum of scaler.dims)
            Some samples, scaled.
        most : int
            The largest number of features that come out.
        """
        n_features = features.shape[1]
        (projection,) = PrincipalAxes.of(features, (n_features,), most).axes
        n_axes = projection.shape[1]
        linear = nn.Linear(n_features, n_axes, device="meta")  # nothing is drawn
        linear.weight = nn.Parameter(projection.T.contiguous())
        linear.bias = nn.Parameter(projection.new_zeros(n_axes))
        return cls(n_axes, nn.Sequential(scaler, linear))

    @property
    def dims(self) -> tuple[int, ...]:
        """The number of features that come out."""
        return (len(self.mean),)

    def forward(self, features: Tensor) -> Tensor:
        """Return the rows (b, embed_dim)."""
        return (self.unit(features) - self.mean) / self.std

    def unit(self, features: Tensor) -> Tensor:
        """Return the rows at length one, before they are standardised."""
        if self.before is not None:
            features = self.before(features)
        return F.normalize(features, dim=1)

    def standardize(self, rows: Tensor) -> None:
        """Standardise from now on, as these rows of length one (n, embed_dim) ask."""
        self.mean.copy_(rows.mean(dim=0))
        std = rows.std(dim=0, correction=0)
        self.std.copy_(std.masked_fill(is_constant(rows), 1.0))
