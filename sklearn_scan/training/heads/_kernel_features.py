"""Features that linear heads part by curved boundaries: an approximate kernel map."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.core.mapped_rows import Rows
from sklearn_scan.core.sampling import draw_sample
from sklearn_scan.training.heads._axes import MOST_AXES, principal_axes
from sklearn_scan.training.heads._scaling import Scaler

_MOST_LANDMARKS = 1000
_MOST_SAMPLES = 2**13  # for the statistics
# The kernel's squared width is so many times a squared distance: the median of that to
# the 20th neighbour. At 2 to 8 times, clusters of eleven sets were alike within half a
# point. Narrower, photos lost (textures 49.1 for 49.9), wider, digits did.
_WIDTH, _NEIGHBOR = 4.0, 20
_LEAST_EIGENVALUE = 1e-5  # of the landmarks' kernel, beside the largest
_LEAST_SCALE = 1e-4  # below it features are all alike, but for rounding
_ROUNDING = 1e-5  # of squared distances of equal rows, beside the largest


class KernelFeatures(Scaler):
    r"""Map directions to features whose products are nearly a Gaussian kernel.

    Rows are centred and scaled to length one, as where neighbours are found. With the
    kernel :math:`k(x, x') = \exp(-\|x - x'\|^2 / h)` of a row and of landmarks, which
    are some of the samples, the Nyström map is :math:`z = k(x, L)\, K_{LL}^{-1/2}`.
    What comes out are the principal axes of :math:`z`, with a mean square of one: at
    most 256.

    Linear heads of these features part clusters that no plane parts, such as those of
    digits' pixels, and are as good as heads of the features themselves where planes do.

    Parameters
    ----------
    mean : Tensor of shape (embed_dim,)
        The mean of the training features.
    landmarks : Tensor of shape (n_landmarks, embed_dim)
        Centred rows of length one.
    width : Tensor of shape ()
        The width :math:`h` of the kernel.
    projection : Tensor of shape (n_landmarks, n_axes)
        From the kernel to the features.
    offset : Tensor of shape (n_axes,)
        What is subtracted from them: their mean.

    References
    ----------
    .. [1] C. Williams and M. Seeger, "Using the Nyström Method to Speed Up Kernel
       Machines", NIPS 2000.
    """

    mean: Tensor
    landmarks: Tensor
    width: Tensor
    projection: Tensor
    offset: Tensor

    def __init__(
        self,
        mean: Tensor,
        landmarks: Tensor,
        width: Tensor,
        projection: Tensor,
        offset: Tensor,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("landmarks", landmarks)
        self.register_buffer("width", width)
        self.register_buffer("projection", projection)
        self.register_buffer("offset", offset)

    @classmethod
    def from_features(cls, features: Rows) -> Self:
        """Return the map of training features (n, embed_dim)."""
        mean = features.mean(dim=0)
        sample = _directions(draw_sample(features, 0, most=_MOST_SAMPLES), mean)
        landmarks = draw_sample(sample, 1, most=_MOST_LANDMARKS)
        distances = _squared_distances(landmarks, sample)
        width = _width(distances)
        roots = _inverse_root(
            torch.exp(-_squared_distances(landmarks, landmarks) / width)
        )
        mapped = torch.exp(-distances.T / width) @ roots
        center = mapped.mean(dim=0)
        axes = principal_axes(mapped - center, MOST_AXES)
        scale = ((mapped - center) @ axes).square().mean().sqrt()
        axes = axes / scale.clamp_min(_LEAST_SCALE)
        return cls(mean, landmarks, width, roots @ axes, center @ axes)

    @property
    def dims(self) -> tuple[int, ...]:
        """The number of features that come out, of one encoder."""
        return (len(self.offset),)

    def forward(self, features: Tensor) -> Tensor:
        """Return the features (b, n_axes) of features (b, embed_dim)."""
        distances = _squared_distances(_directions(features, self.mean), self.landmarks)
        return torch.exp(-distances / self.width) @ self.projection - self.offset


def _directions(features: Tensor, mean: Tensor) -> Tensor:
    return F.normalize(features - mean, dim=1)


def _squared_distances(first: Tensor, second: Tensor) -> Tensor:
    lengths = first.square().sum(dim=1, keepdim=True) + second.square().sum(dim=1)
    return (lengths - 2 * first @ second.T).clamp_min(0)


def _width(distances: Tensor) -> Tensor:
    """Return the width of the kernel, from distances of landmarks (rows) to samples."""
    nth = min(_NEIGHBOR + 1, distances.shape[1])  # each is among the samples itself
    width = distances.kthvalue(nth, dim=1).values.median()
    if width <= _ROUNDING * distances.max():  # most samples have 20 equals
        width = distances.mean()
    return _WIDTH * width if width > 0 else torch.ones_like(width)


def _inverse_root(kernel: Tensor) -> Tensor:
    """Return K^(-1/2), up to a rotation, without what is lost in rounding."""
    # in double precision on the CPU: some devices have none
    values, vectors = torch.linalg.eigh(kernel.cpu().double())
    kept = values > _LEAST_EIGENVALUE * values.max()
    root: Tensor = vectors[:, kept] / values[kept].sqrt()
    return root.to(kernel)
