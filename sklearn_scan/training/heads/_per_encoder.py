"""One head for each of several feature spaces, and what brings features to them.

Source: Gadetsky, Jiang and Brbić, "Let Go of Your Labels with Unsupervised Transfer",
ICML 2024 (TURTLE), whose labelling is the mean over spaces of a linear head's softmax.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_scan.core.gaps import readable_rows
from sklearn_scan.core.mapped_rows import MappedRows, Rows
from sklearn_scan.training.heads._base import FeatureHeads, Heads
from sklearn_scan.training.heads._scaling import Standardize, is_constant

__all__ = [
    "SpaceHeads",
    "SpaceScaler",
    "center_embedding",
    "center_spaces",
    "join_heads",
    "make_scaler",
    "split_heads",
]


class SpaceHeads(Heads):
    """Heads that see one space each, whose probabilities are averaged.

    Parameters
    ----------
    heads : sequence of FeatureHeads
        The heads of each space, as many and of as many clusters in all.
    dims : sequence of int
        The widths of the spaces, which lie side by side in the features.

    Raises
    ------
    ValueError
        If there is not one width for each, or they differ in number or in clusters.

    Examples
    --------
    >>> import torch
    >>> from sklearn_scan.training.heads._linear import ClusterHeads
    >>> make = torch.Generator()
    >>> heads = [ClusterHeads(d, 3, n_heads=2, generator=make) for d in (8, 5)]
    >>> SpaceHeads(heads, (8, 5))(torch.zeros(7, 13)).shape
    torch.Size([2, 7, 3])
    """

    def __init__(self, heads: Sequence[FeatureHeads], dims: Sequence[int]) -> None:
        sizes = {(each.n_clusters, each.n_heads) for each in heads}
        if len(sizes) != 1 or len(heads) != len(dims):
            raise ValueError(
                "Each space must have as many heads of as many clusters, and a width; "
                f"got (n_clusters, n_heads) of {sizes}, {len(heads)} heads and "
                f"{len(dims)} widths."
            )
        super().__init__(*sizes.pop())
        self.heads = nn.ModuleList(heads)
        self.dims = list(dims)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (n_heads, b, n_clusters).

        It serves as logits: its softmax is the mean itself.
        """
        spaces = features.split(self.dims, dim=1)
        # (h, c, b): in memory the batch lies last, as ClusterHeads say why
        logs = [
            heads(space).mT.log_softmax(dim=1)
            for heads, space in zip(self.heads, spaces, strict=True)
        ]
        return (torch.stack(logs).logsumexp(dim=0) - math.log(len(logs))).mT

    def select(self, *heads: int) -> SpaceHeads:
        """Return a module of some of the heads, with its own weights."""
        return SpaceHeads([each.select(*heads) for each in self.of_spaces()], self.dims)

    def reorder(self, order: Tensor) -> None:
        """Renumber the clusters of a single head: old cluster order[c] becomes c."""
        for each in self.of_spaces():
            each.reorder(order)

    def of_spaces(self) -> list[FeatureHeads]:
        """Return the heads of each space."""
        return [cast(FeatureHeads, each) for each in self.heads]


def join_heads(heads: Sequence[FeatureHeads], dims: Sequence[int]) -> Heads:
    """Return the heads of several spaces as `SpaceHeads`; of one, as they are."""
    return heads[0] if len(heads) == 1 else SpaceHeads(heads, dims)


def split_heads(heads: Heads) -> list[FeatureHeads]:
    """Return the heads of each space: the inverse of `join_heads`."""
    if isinstance(heads, SpaceHeads):
        return heads.of_spaces()
    return [cast(FeatureHeads, heads)]


class SpaceScaler(Standardize):
    """Scale each space by a scaler of its own, and leave constant ones out.

    A head on a constant space could only pull all samples alike.

    Parameters
    ----------
    scalers : sequence of Standardize
        Of the spaces that are kept.
    dims : sequence of int
        The widths of all spaces.
    kept : sequence of bool
        Whether each space is kept.
    """

    def __init__(
        self,
        scalers: Sequence[Standardize],
        dims: Sequence[int],
        kept: Sequence[bool],
    ) -> None:
        super().__init__(
            torch.cat([scaler.mean for scaler in scalers]),
            torch.cat([scaler.std for scaler in scalers]),
        )
        self.scalers = nn.ModuleList(scalers)
        self.dims = list(dims)
        self.kept = list(kept)

    @property
    def space_dims(self) -> tuple[int, ...]:
        """The widths of the spaces that are kept."""
        return tuple(d for d, kept in zip(self.dims, self.kept, strict=True) if kept)

    def forward(self, features: Tensor) -> Tensor:
        """Return the scaled spaces side by side, shape (b, sum of space_dims)."""
        spaces = features.split(self.dims, dim=1)
        kept = [s for s, is_kept in zip(spaces, self.kept, strict=True) if is_kept]
        scaled = [
            scaler(space) for scaler, space in zip(self.scalers, kept, strict=True)
        ]
        return torch.cat(scaled, dim=1)


def make_scaler(
    make: Callable[[Rows], Standardize], features: Rows, dims: Sequence[int]
) -> Standardize:
    """Return what scales features for the heads, space by space.

    Parameters
    ----------
    make : callable
        From the features of one space (n, d) to their scaler.
    features : Tensor or MappedRows of shape (n, sum of dims)
        The training features; mapped ones are of one space.
    dims : sequence of int
        The widths of the spaces.

    Returns
    -------
    Standardize
        Of one space the scaler itself; of several a `SpaceScaler`, which keeps all of
        them where all are constant.

    Warns
    -----
    ConvergenceWarning
        If a space is constant and others are not.
    """
    if len(dims) == 1 or isinstance(features, MappedRows):
        return make(features)
    spaces = features.split(list(dims), dim=1)
    kept = [not bool(is_constant(space).all()) for space in spaces]
    if not any(kept):
        kept = [True] * len(spaces)
    for i, is_kept in enumerate(kept):
        if not is_kept:
            warnings.warn(
                f"Feature space {i} is the same for all samples, and was left out.",
                ConvergenceWarning,
                stacklevel=3,
            )
    scalers = [
        make(space) for space, is_kept in zip(spaces, kept, strict=True) if is_kept
    ]
    return SpaceScaler(scalers, dims, kept)


def center_spaces(features: Tensor, dims: Sequence[int]) -> Tensor:
    """Return features about their mean, with several spaces of equal weight.

    Cosines between rows of several spaces are the means of the spaces' cosines, however
    many features a space has and whatever their scale. A constant space is zero.

    Parameters
    ----------
    features : Tensor of shape (n, sum of dims)
        The embedding of each sample.
    dims : sequence of int
        The widths of the spaces.

    Returns
    -------
    Tensor of shape (n, sum of dims)
        Of one space, of the length that it has; of several, each of length one.
    """
    if len(dims) == 1:
        return features - features.mean(dim=0)
    spaces = []
    for space in features.split(list(dims), dim=1):
        unit = F.normalize(space - space.mean(dim=0), dim=1)
        # rounding errors about the mean have a direction too
        spaces.append(unit.masked_fill(is_constant(space).all(), 0.0))
    return torch.cat(spaces, dim=1)


def center_embedding(
    embedding: NDArray[np.float32], dims: Sequence[int]
) -> NDArray[np.float32]:
    """Return what `center_spaces` makes of an embedding with gaps.

    Parameters
    ----------
    embedding : ndarray of shape (n, sum of dims)
        With rows of NaN for images that cannot be read, which stay so.
    dims : sequence of int
        The widths of the spaces.

    Returns
    -------
    ndarray of float32, shape (n, sum of dims)
    """
    rows = readable_rows(embedding)
    centered = np.full(embedding.shape, np.nan, dtype=np.float32)
    # of a file's features, which may be of any number type
    floats = embedding[rows].astype(np.result_type(embedding.dtype, np.float32))
    centered[rows] = center_spaces(torch.from_numpy(floats), dims).numpy()
    return centered
