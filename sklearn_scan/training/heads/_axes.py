"""The directions in which features vary most, for each of several spaces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sklearn_scan.training.heads._averaged import join_heads
from sklearn_scan.training.heads._base import FeatureHeads, Heads

__all__ = ["MOST_AXES", "PrincipalAxes"]

# On features of length 1,280 linear heads were as good in so many directions, and
# learnt several times as fast.
MOST_AXES = 256


class PrincipalAxes:
    """The subspaces of the largest variance, one of each feature space.

    Parameters
    ----------
    axes : sequence of Tensor of shape (dim, n_axes)
        A linear map of each space.
    """

    def __init__(self, axes: Sequence[Tensor]) -> None:
        self.axes = axes

    @classmethod
    def of(cls, features: Tensor, dims: Sequence[int], most: int) -> PrincipalAxes:
        """Find orthonormal axes, at most so many of each space.

        They are found by random projections, which draw from torch's global state.
        Spaces that are no wider stay as they are.

        Parameters
        ----------
        features : Tensor of shape (n, sum of dims)
            About their mean, the spaces side by side.
        dims : sequence of int
            The widths of the spaces.
        most : int
            How many axes at most.
        """
        return cls([_find_axes(space, most) for space in _split(features, dims)])

    @property
    def dims(self) -> tuple[int, ...]:
        """The numbers of axes."""
        return tuple(axes.shape[1] for axes in self.axes)

    def project(self, features: Tensor) -> Tensor:
        """Return features (n, sum of widths) on the axes, (n, sum of dims)."""
        spaces = _split(features, [len(axes) for axes in self.axes])
        projected = [s @ axes for s, axes in zip(spaces, self.axes, strict=True)]
        return torch.cat(projected, dim=1)

    def scaled_to(self, features: Tensor) -> PrincipalAxes:
        """Return the subspaces in which features have a mean square of one."""
        eps = torch.finfo(features.dtype).eps
        inside = _split(self.project(features), self.dims)
        scales = [space.square().mean().sqrt().clamp_min(eps) for space in inside]
        return PrincipalAxes([a / s for a, s in zip(self.axes, scales, strict=True)])

    def lift(self, heads: Sequence[FeatureHeads]) -> Heads:
        """Return heads of the features themselves, from those on each subspace."""
        lifted = [h.fold_map(axes) for h, axes in zip(heads, self.axes, strict=True)]
        return join_heads(lifted, [len(axes) for axes in self.axes])


def _split(features: Tensor, dims: Sequence[int]) -> tuple[Tensor, ...]:
    return torch.split(features, list(dims), dim=1)


def _find_axes(features: Tensor, most: int) -> Tensor:
    n_samples, dim = features.shape
    if dim <= most:
        return torch.eye(dim, device=features.device)
    _, _, axes = torch.pca_lowrank(features, min(most, n_samples), center=False)
    return axes
