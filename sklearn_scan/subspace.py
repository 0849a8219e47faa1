"""The directions in which features vary most."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["principal_axes"]


def principal_axes(features: Tensor, most: int) -> Tensor:
    """Return orthonormal directions in which features vary most.

    They are found by random projections, which draw from torch's global state.

    Parameters
    ----------
    features : Tensor of shape (n, embed_dim)
        About their mean.
    most : int
        How many directions at most. Features that are no longer stay as they are.

    Returns
    -------
    Tensor of shape (embed_dim, n_axes)
    """
    n_samples, embed_dim = features.shape
    if embed_dim <= most:
        return torch.eye(embed_dim, device=features.device)
    n_axes = min(most, n_samples)
    _, _, axes = torch.pca_lowrank(features, n_axes, center=False)
    return axes
