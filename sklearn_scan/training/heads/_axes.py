"""The principal axes of features, for each encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sklearn_scan.training.heads._averaged import join_heads
from sklearn_scan.training.heads._base import FeatureHeads, Heads

# On 1,280 features, linear heads were as good with so many axes, and learnt several
# times as fast.
MOST_AXES = 256


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

        They are eigenvectors of the covariance. The features of an encoder that has no
        more columns stay as they are.

        Parameters
        ----------
        features : Tensor of shape (n, sum of dims)
            Features about their mean, those of the encoders side by side.
        dims : sequence of int
            The number of columns of each encoder.
        most : int
            The largest number of axes of an encoder.
        """
        return cls([_find_axes(block, most) for block in _split(features, dims)])

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


def _find_axes(features: Tensor, most: int) -> Tensor:
    """Return axes (dim, n_axes), that of the largest variance first."""
    n_samples, dim = features.shape
    if dim <= most:
        return torch.eye(dim, device=features.device)
    # in double precision on the CPU: some devices have none
    products = (features.T @ features).cpu().double()
    vectors: Tensor = torch.linalg.eigh(products)[1].flip(1)
    return vectors[:, : min(most, n_samples)].to(features).contiguous()
