"""The principal axes of features, for each encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sklearn_scan.core.random import isolated_rng
from sklearn_scan.training.heads._averaged import join_heads
from sklearn_scan.training.heads._base import FeatureHeads, Heads

# On 1,280 features, linear heads were as good with so many axes, and learnt several
# times as fast.
MOST_AXES = 256
# The time of eigenvectors grows with the third power of the matrix's side: from about
# 2,000 on, random projections are faster, and as good for so few axes.
_MOST_EXACT = 2048


class PrincipalAxes:
    """Linear maps of features to the axes of largest variance, one for each encoder.

    Parameters
    ----------
    axes : sequence of Tensor of shape (dim, n_axes)
        The map of each encoder.
    """

    def __init__(self, axes: Sequence[Tensor]) -> None:
        self.axes = axes

    @classmethod
    def of(cls, features: Tensor, dims: Sequence[int], most: int) -> PrincipalAxes:
        """Find orthonormal axes of each encoder.

        They are eigenvectors of the covariance; of more than 2,048 features and samples
        nearly so, by random projections of a fixed seed. The features of an encoder
        that has no more columns stay as they are.

        Parameters
        ----------
        features : Tensor of shape (n, sum of dims)
            Features about their mean, those of the encoders side by side.
        dims : sequence of int
            The number of columns of each encoder.
        most : int
            The largest number of axes of an encoder.
        """
        return cls([principal_axes(block, most) for block in _split(features, dims)])

    @property
    def dims(self) -> tuple[int, ...]:
        """The number of axes of each encoder."""
        return tuple(axes.shape[1] for axes in self.axes)

    def project(self, features: Tensor) -> Tensor:
        """Return features (n, sum of widths) on the axes, (n, sum of dims)."""
        blocks = _split(features, [len(axes) for axes in self.axes])
        projected = [b @ axes for b, axes in zip(blocks, self.axes, strict=True)]
        return torch.cat(projected, dim=1)

    def scaled_to(self, features: Tensor) -> PrincipalAxes:
        """Return scaled axes, on which features have a mean square of one."""
        eps = torch.finfo(features.dtype).eps
        blocks = _split(self.project(features), self.dims)
        scales = [block.square().mean().sqrt().clamp_min(eps) for block in blocks]
        return PrincipalAxes([a / s for a, s in zip(self.axes, scales, strict=True)])

    def lift(self, heads: Sequence[FeatureHeads]) -> Heads:
        """Return heads of the features, from heads of their projections."""
        lifted = [h.fold_map(axes) for h, axes in zip(heads, self.axes, strict=True)]
        return join_heads(lifted, [len(axes) for axes in self.axes])


def _split(features: Tensor, dims: Sequence[int]) -> tuple[Tensor, ...]:
    return torch.split(features, list(dims), dim=1)


def principal_axes(features: Tensor, most: int) -> Tensor:
    """Return orthonormal axes (dim, n_axes), that of the largest variance first."""
    n_samples, dim = features.shape
    if dim <= most:
        return torch.eye(dim).to(features)
    n_axes = min(most, n_samples)
    axes: Tensor
    if min(n_samples, dim) > _MOST_EXACT:
        with isolated_rng(0, features.device):
            axes = torch.pca_lowrank(features, n_axes, center=False)[2]
    elif dim <= n_samples:
        axes = _eigenvectors(features.T @ features, n_axes)
    else:
        # The products of samples have the same eigenvalues, and are fewer. QR gives
        # the axes their length, and any direction to those without variance.
        of_samples = _eigenvectors(features @ features.T, n_axes)
        axes = torch.linalg.qr(features.T @ of_samples)[0]
    return axes.contiguous()


def _eigenvectors(products: Tensor, number: int) -> Tensor:
    """Return eigenvectors of a symmetric matrix, that of the largest value first."""
    # in double precision on the CPU: some devices have none
    vectors: Tensor = torch.linalg.eigh(products.cpu().double())[1].flip(1)
    return vectors[:, :number].to(products)
