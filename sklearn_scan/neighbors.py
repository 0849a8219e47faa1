"""Nearest neighbours: who is like whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan._device import resolve_device
from sklearn_scan._validation import check_count, check_option

__all__ = ["NeighborGraph", "mine_neighbors"]

METHODS = ("auto", "exact")
# Similarities held at once, 64 MB of float32: past the caches, far from the memory.
_BLOCK_ELEMENTS = 2**24


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class NeighborGraph:
    """The nearest neighbours of every sample, most similar first.

    Parameters
    ----------
    indices : ndarray of int64, shape (n, n_neighbors)
        The neighbours of each sample; a sample is never its own neighbour.
    similarities : ndarray of float32, shape (n, n_neighbors)
        Their cosine similarities.
    """

    indices: NDArray[np.int64]
    similarities: NDArray[np.float32]

    @property
    def n_neighbors(self) -> int:
        """The number of neighbours of each sample."""
        return int(self.indices.shape[1])

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw one neighbour of every sample, uniformly.

        Returns
        -------
        Tensor of int64, shape (n,)
            The index of the neighbour drawn.
        """
        n_samples = len(self.indices)
        columns = torch.randint(self.n_neighbors, (n_samples,), generator=generator)
        return torch.from_numpy(self.indices[np.arange(n_samples), columns.numpy()])

    def nearest(self, n_neighbors: int) -> NeighborGraph:
        """Return the graph of the `n_neighbors` most similar of these neighbours."""
        return NeighborGraph(
            self.indices[:, :n_neighbors], self.similarities[:, :n_neighbors]
        )

    @classmethod
    def empty(cls, n_samples: int) -> NeighborGraph:
        """Return the graph of samples that have no neighbours."""
        return cls(
            np.empty((n_samples, 0), np.int64), np.empty((n_samples, 0), np.float32)
        )

    def spread(self, rows: NDArray[np.int64], n_samples: int) -> NeighborGraph:
        """Return the graph among more samples, of which these are some.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
            Which of the samples those of this graph are.
        n_samples : int
            How many samples there are.

        Returns
        -------
        NeighborGraph
            Of `n_samples` rows; the others have -1 for neighbours, and similarities
            of NaN.
        """
        shape = (n_samples, self.n_neighbors)
        indices = np.full(shape, -1, dtype=np.int64)
        similarities = np.full(shape, np.nan, dtype=np.float32)
        indices[rows] = rows[self.indices]
        similarities[rows] = self.similarities
        return NeighborGraph(indices, similarities)


def mine_neighbors(
    features: NDArray[np.floating] | Tensor,
    n_neighbors: int = 20,
    *,
    method: str = "auto",
    center: bool = False,
    device: str | torch.device = "auto",
    random_state: Any = None,
    verbose: int = 0,
) -> NeighborGraph:
    """Find the nearest neighbours by cosine similarity.

    Parameters
    ----------
    features : array of shape (n, d)
        The embedding of each sample. A row of zeros is equally unlike all others.
    n_neighbors : int, default=20
        The number of neighbours, less than n.
    method : {"auto", "exact"}, default="auto"
        "exact" compares all pairs in blocks of bounded memory.
    center : bool, default=False
        Whether to measure angles about the mean.
    device : str or torch.device, default="auto"
        Where to compute.
    random_state : int, RandomState or None, default=None
        Ignored.
    verbose : int, default=0
        Ignored.

    Returns
    -------
    NeighborGraph
        Indices and similarities of shape (n, n_neighbors).

    Raises
    ------
    ValueError
        If `features` is not 2-D or not finite, or if `n_neighbors` is not below n.

    Examples
    --------
    >>> import numpy as np
    >>> angles = np.deg2rad([0, 10, 30, 180])
    >>> graph = mine_neighbors(np.c_[np.cos(angles), np.sin(angles)], n_neighbors=1)
    >>> graph.indices.ravel()
    array([1, 0, 1, 2])
    """
    check_option("method", method, METHODS)
    check_count("n_neighbors", n_neighbors)
    if not isinstance(features, Tensor):
        # torch takes neither read-only arrays nor negative strides: these are copied
        features = torch.from_numpy(np.require(features, np.float32, ["C", "W"]))
    vectors = features.detach().float()
    if center:
        vectors = vectors - vectors.mean(dim=0)
    if vectors.ndim != 2:
        raise ValueError(
            f"features must have shape (n, d); got shape {tuple(vectors.shape)}."
        )
    if n_neighbors >= len(vectors):
        raise ValueError(
            f"n_neighbors must be below the number of samples, {len(vectors)}; "
            f"got {n_neighbors}."
        )
    if not bool(torch.isfinite(vectors).all()):
        raise ValueError("features must be finite; it contains NaN or infinity.")
    unit = F.normalize(vectors.to(resolve_device(device)), dim=1)
    similarities, indices = _top_k_blocked(unit, n_neighbors)
    return NeighborGraph(indices.cpu().numpy(), similarities.cpu().numpy())


def _top_k_blocked(unit: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return similarities and indices of the k nearest rows of unit vectors (n, d)."""
    n_samples = len(unit)
    n_rows = max(1, _BLOCK_ELEMENTS // n_samples)
    similarities = unit.new_empty(n_samples, k)
    indices = torch.empty(n_samples, k, dtype=torch.int64, device=unit.device)
    for start in range(0, n_samples, n_rows):
        rows = slice(start, start + n_rows)
        block = unit[rows] @ unit.T  # (rows, n)
        block.diagonal(start).fill_(-torch.inf)  # nobody is their own neighbour
        similarities[rows], indices[rows] = block.topk(k, dim=1)
    return similarities, indices
