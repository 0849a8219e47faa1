"""The number of clusters, from the features alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sklearn_scan.core.random import RandomState
from sklearn_scan.core.rows import check_finite_rows, row_blocks, without_halves
from sklearn_scan.core.warn import warn
from sklearn_scan.model_selection._modularity import (
    count_neighbors,
    neighbor_modularity,
)
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.neighbors.partitions import (
    k_means_partition,
    spectral_vectors,
    unit_rows,
)

_FEWEST_SAMPLES = 20
# With more samples, 20 neighbours reach less far, and classes fall apart: graphs of
# 1,000 images have about as many parts as there are classes, graphs of 2,000 up to a
# third more.
_SAMPLE = 1000
_N_DRAWS = 3
_LARGEST_SAMPLE = 4000  # for many clusters
# A cluster with fewer members than this, times the number of neighbours, must have
# neighbours in other clusters.
_LEAST_MEMBERS = 1.25
_N_CANDIDATES = 60
# "Values above about 0.3 indicate significant structure": Clauset, Newman and Moore,
# "Finding community structure in very large networks", 2004. Normal noise of
# 32 features reaches 0.28.
_LEAST_MODULARITY = 0.3


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class ClusterNumberCurve:
    """The scores of numbers of clusters, and the number chosen.

    Parameters
    ----------
    n_clusters : int
        The number with the highest score.
    candidates : ndarray of int, shape (n_candidates,)
        The numbers tried, ascending.
    scores : ndarray of float, shape (n_candidates,)
        The modularity of each number of clusters in the graph of neighbours. A clear
        peak is a clear answer; the numbers on a plateau are about equally good.
    """

    n_clusters: int
    candidates: NDArray[np.int64]
    scores: NDArray[np.float64]


def estimate_n_clusters(
    features: NDArray[np.floating],
    *,
    random_state: RandomState = None,
    device: str | torch.device = "auto",
) -> ClusterNumberCurve:
    """Estimate the number of clusters from features.

    Samples are drawn, and spectral clustering cuts their graph of neighbours into
    2, 3, ... clusters. The number with the highest mean `neighbor_modularity` is
    chosen. 1,000 samples are drawn three times; if there seem to be clusters of fewer
    than 50 of them, up to 4,000 are drawn once.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        The embedding of each sample; at least 20 of them.
    random_state : int, RandomState or None, default=None
        Seeds the random numbers.
    device : str or torch.device, default="auto"
        Where to search for neighbours.

    Returns
    -------
    ClusterNumberCurve
        The number chosen, and the scores of all numbers tried.

    Raises
    ------
    ValueError
        If there are fewer than 20 samples, or if `features` is not 2-D or not finite.

    Warns
    -----
    ConvergenceWarning
        If all samples are equal, so that the number is 1; or if the best score is no
        higher than that of features without clusters.

    References
    ----------
    .. [1] S. White and P. Smyth, "A spectral clustering approach to finding communities
       in graphs", SDM 2005, section 5.
    .. [2] A. Ng, M. Jordan and Y. Weiss, "On spectral clustering: analysis and an
       algorithm", NIPS 2001.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> X, y = make_blobs(300, n_features=20, centers=7, random_state=0)
    >>> estimate_n_clusters(X, random_state=0).n_clusters
    7
    """
    features = _check_features(features)
    rng = check_random_state(random_state)
    blocks = row_blocks(*features.shape)
    if all((features[block] == features[0]).all() for block in blocks):
        warn(
            "All samples have the same features: there is 1 cluster.",
            ConvergenceWarning,
        )
        return ClusterNumberCurve(1, np.array([1]), np.zeros(1))
    size, n_draws = _SAMPLE, _N_DRAWS
    curve, most = _draw_curve(features, size, n_draws, rng, device)
    while curve.n_clusters > most / 2 and size < min(len(features), _LARGEST_SAMPLE):
        size, n_draws = 2 * size, 1
        curve, most = _draw_curve(features, size, n_draws, rng, device)
    warn_if_unclear(curve)
    return curve


def warn_if_unclear(curve: ClusterNumberCurve) -> None:
    """Warn if the best score is no higher than that of features without clusters."""
    if curve.scores.max() < _LEAST_MODULARITY:
        warn(
            f"No number of clusters stands out: n_clusters={curve.n_clusters} has a "
            f"modularity of {curve.scores.max():.2f}, which features without clusters "
            "reach too. Choose the number yourself, or a better encoder.",
            ConvergenceWarning,
        )


def check_enough_samples(n_samples: int) -> None:
    """Raise if there are too few samples to estimate the number of clusters."""
    if n_samples < _FEWEST_SAMPLES:
        raise ValueError(
            f"n_clusters can be estimated from {_FEWEST_SAMPLES} samples or more; got "
            f"n_samples={n_samples}. Pass n_clusters as a number."
        )


def candidate_numbers(n_samples: int, n_neighbors: int) -> NDArray[np.int64]:
    """Return the numbers of clusters to try, ascending, from 2."""
    most = max(2, int(n_samples / (_LEAST_MEMBERS * n_neighbors)))
    return np.unique(np.geomspace(2, most, _N_CANDIDATES).astype(np.int64))


def _check_features(features: NDArray[np.floating]) -> NDArray[np.floating]:
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(f"features must have shape (n, d); got {features.shape}.")
    check_enough_samples(len(features))
    check_finite_rows("features", features)
    return features


def _draw_curve(
    features: NDArray[np.floating],
    size: int,
    n_draws: int,
    rng: np.random.RandomState,
    device: str | torch.device,
) -> tuple[ClusterNumberCurve, int]:
    """Return the mean curve of several draws, and the largest number it can find."""
    size = min(size, len(features))
    n_neighbors = count_neighbors(size)
    candidates = candidate_numbers(size, n_neighbors)
    curves = []
    for _ in range(n_draws if size < len(features) else 1):
        drawn = without_halves(features[rng.permutation(len(features))[:size]])
        drawn = drawn - drawn.mean(axis=0)
        neighbors = mine_neighbors(drawn, n_neighbors, method="exact", device=device)
        curves.append(_modularities(neighbors, candidates, rng))
    scores = np.mean(curves, axis=0)
    chosen = int(candidates[scores.argmax()])
    return ClusterNumberCurve(chosen, candidates, scores), int(candidates[-1])


def _modularities(
    neighbors: NeighborGraph,
    candidates: NDArray[np.int64],
    rng: np.random.RandomState,
) -> list[float]:
    """Return the modularity of the spectral clusters, for each number of clusters."""
    vectors = spectral_vectors(neighbors, int(candidates[-1]), rng)
    scores = []
    for n_clusters in candidates:
        rows = unit_rows(vectors[:, :n_clusters])
        labels = k_means_partition(rows, int(n_clusters), rng, n_starts=2)
        scores.append(neighbor_modularity(labels, neighbors))
    return scores
