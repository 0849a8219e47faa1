"""Neighbours of a stated recall, which is measured."""

from __future__ import annotations

import math
import sys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from sklearn_scan.core.warn import warn
from sklearn_scan.neighbors._collect import Found, collect
from sklearn_scan.neighbors._exact import TorchSearch, exact_neighbors
from sklearn_scan.neighbors._inverted_files import InvertedFiles
from sklearn_scan.neighbors._refine import order_closely, rank
from sklearn_scan.neighbors._vectors import UnitVectors

__all__ = ["approximate_neighbors"]

# Samples whose true neighbours are found. It is looked further until the recall of one
# half exceeds the target by so many standard errors, and until that of the other half,
# which is reported, reaches it.
_MEASURED, _SURE = 2000, 2
_SAME = 1e-6  # similarities that differ by less are as good as equal
# Candidates beyond the neighbours asked for: where similarities are rounded more may be
# among the nearest.
_MARGIN, _SHARE_OF_ROUNDED = 8, 0.5


class _Search:
    """Finds neighbours by inverted files, with similarities of full precision."""

    def __init__(
        self,
        vectors: UnitVectors,
        k: int,
        *,
        compressed: bool,
        rng: np.random.RandomState,
        device: torch.device,
    ) -> None:
        self.vectors = vectors
        self.k = k
        self.files = InvertedFiles(
            vectors, compressed=compressed, rng=rng, device=device
        )
        self._compressed = compressed
        margin = _MARGIN + (math.ceil(_SHARE_OF_ROUNDED * k) if compressed else 0)
        self._n_candidates = min(k + margin, len(vectors) - 1)

    def __call__(self, queries: NDArray[np.int64], n_probes: int) -> Found:
        """Return the nearest in so many lists, and in more where these hold too few."""
        similarities, indices = self.files.search(queries, self._n_candidates, n_probes)
        if self._compressed:
            similarities, indices = rank(self.vectors, queries, indices)
        similarities, indices = order_closely(
            self.vectors, queries, similarities, indices, self.k
        )
        short = (indices[:, -1] < 0).nonzero().flatten().numpy()
        if len(short):
            similarities[short], indices[short] = self(queries[short], 2 * n_probes)
        return similarities, indices


def approximate_neighbors(
    vectors: UnitVectors,
    k: int,
    *,
    compressed: bool,
    target_recall: float,
    rng: np.random.RandomState,
    device: torch.device,
    verbose: int = 0,
) -> tuple[Tensor, Tensor, float]:
    """Return neighbours of every sample, of which a share are the true ones.

    Parameters
    ----------
    vectors : UnitVectors
        All samples, on the CPU.
    k : int
        How many neighbours, fewer than samples.
    compressed : bool
        Whether to search among vectors of eight bits a number.
    target_recall : float in (0, 1]
        The share wanted.
    rng : RandomState
        For all that is drawn.
    device : torch.device
        Where to search, if faiss can.
    verbose : int, default=0
        Above zero, says how far it looks, and shows a progress bar.

    Returns
    -------
    similarities : Tensor of float32, shape (n, k)
        Of full precision, largest first.
    indices : Tensor of int64, shape (n, k)
    recall : float
        The share, measured on 1,000 samples.

    Warns
    -----
    UserWarning
        If the share is below what was wanted, even with all lists looked at.
    """
    drawn = rng.permutation(len(vectors))[:_MEASURED]
    true, _ = exact_neighbors(vectors, drawn, k, TorchSearch())
    search = _Search(vectors, k, compressed=compressed, rng=rng, device=device)
    n_probes, recall = _choose_probes(search, drawn, true[:, -1:], target_recall)
    if verbose > 0:
        tqdm.write(
            f"neighbours: recall {recall:.3f} with {n_probes} of "
            f"{search.files.n_lists} lists",
            file=sys.stderr,
        )
    found = collect(
        search.files.order, k, lambda rows: search(rows, n_probes), verbose=verbose
    )
    return *found, recall


def _choose_probes(
    search: _Search, drawn: NDArray[np.int64], furthest: Tensor, target: float
) -> tuple[int, float]:
    """Return how many lists to look at, and the recall with so many.

    Parameters
    ----------
    search : _Search
        What finds neighbours.
    drawn : ndarray of int64, shape (m,)
        The samples to measure it on.
    furthest : Tensor of shape (m, 1)
        The similarity of the last of the true neighbours of each.
    target : float
        The recall wanted.
    """
    n_probes = 1
    while True:
        found, _ = search(drawn, n_probes)
        shares = (found >= furthest - _SAME).double().mean(dim=1)
        choosing, measuring = shares[::2], shares[1::2]
        error = float(choosing.std(correction=0)) / len(choosing) ** 0.5
        recall = float(measuring.mean())
        least = min(float(choosing.mean()) - _SURE * error, recall)
        if least >= target or n_probes >= search.files.n_lists:
            break
        n_probes = min(n_probes + (n_probes + 1) // 2, search.files.n_lists)
    if recall < target:
        warn(
            f"The recall is {recall:.3f}, below target_recall={target}, although all "
            "lists were looked at: choose method='exact'.",
            UserWarning,
        )
    return n_probes, recall
