"""The number of clusters, from the features alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from tqdm.auto import tqdm

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
# "Finding community structure in very large networks", 2004.
_LEAST_MODULARITY = 0.3
# How much higher it must be than that of noise. Of sets of images it was .2 to .45
# higher, of normal, uniform and t-distributed noise of 2 to 512 features up to .08.
_ABOVE_NOISE = 0.1


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
        The modularity of each number of clusters in the graph of neighbours. If there
        is a clear peak, trust it. If the curve is flat near the top, these numbers are
        about equally good.
    """

    n_clusters: int
    candidates: NDArray[np.int64]
    scores: NDArray[np.float64]


def estimate_n_clusters(
    features: NDArray[np.floating],
    *,
    random_state: RandomState = None,
    device: str | torch.device = "auto",
    verbose: int = 0,
) -> ClusterNumberCurve:
    """Estimate the number of clusters from features.

    1,000 samples are drawn, and spectral clustering cuts their graph of neighbours into
    2, 3, ... clusters. This is done three times, and the number with the highest mean
    `neighbor_modularity` is chosen. If there seem to be clusters of fewer than 50 of
    these samples, up to 4,000 are drawn once.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        The embedding of each sample; at least 20 of them.
    random_state : int, RandomState or None, default=None
        Seeds the random numbers.
    device : str or torch.device, default="auto"
        Where to search for neighbours.
    verbose : int, default=0
        Above zero, shows progress bars.

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
        higher than that of features without clusters: of normal noise with the
        covariance that samples have inside the clusters found.

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
    curve, most = _draw_curve(features, size, n_draws, rng, device, verbose)
    while curve.n_clusters > most / 2 and size < min(len(features), _LARGEST_SAMPLE):
        size, n_draws = 2 * size, 1
        curve, most = _draw_curve(features, size, n_draws, rng, device, verbose)
    drawn = _draw_sample(features, min(_SAMPLE, len(features)), rng)
    warn_if_unclear(curve, _noise_modularity(drawn, curve, rng, device) + _ABOVE_NOISE)
    return curve


def warn_if_unclear(
    curve: ClusterNumberCurve, least: float = _LEAST_MODULARITY
) -> None:
    """Warn if the best score is no higher than that of features without clusters."""
    if curve.scores.max() < least:
        warn(
            f"No number of clusters stands out: {curve.n_clusters} scores best "
            f"(modularity {curve.scores.max():.2f}), but features without any clusters "
            "score as high. Choose the number yourself, or try another encoder.",
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
    verbose: int,
) -> tuple[ClusterNumberCurve, int]:
    """Return the mean curve of several draws, and the largest number it can find."""
    size = min(size, len(features))
    n_neighbors = count_neighbors(size)
    candidates = candidate_numbers(size, n_neighbors)
    curves = []
    n_draws = n_draws if size < len(features) else 1
    draws = tqdm(
        range(n_draws), "number of clusters", unit="draw", disable=verbose <= 0
    )
    for _ in draws:
        drawn = _draw_sample(features, size, rng)
        neighbors = mine_neighbors(drawn, n_neighbors, method="exact", device=device)
        curves.append(_modularities(neighbors, candidates, rng))
    scores = np.mean(curves, axis=0)
    chosen = int(candidates[scores.argmax()])
    return ClusterNumberCurve(chosen, candidates, scores), int(candidates[-1])


def _draw_sample(
    features: NDArray[np.floating], size: int, rng: np.random.RandomState
) -> NDArray[np.floating]:
    """Return some samples, about their mean."""
    drawn = without_halves(features[rng.permutation(len(features))[:size]])
    centered: NDArray[np.floating] = drawn - drawn.mean(axis=0)
    return centered


def _noise_modularity(
    drawn: NDArray[np.floating],
    curve: ClusterNumberCurve,
    rng: np.random.RandomState,
    device: str | torch.device,
) -> float:
    """Return the best score of noise that varies as samples do inside clusters."""
    n_samples = len(drawn)
    n_neighbors = count_neighbors(n_samples)
    candidates = candidate_numbers(n_samples, n_neighbors)
    n_clusters = min(curve.n_clusters, int(candidates[-1]))
    neighbors = mine_neighbors(drawn, n_neighbors, method="exact", device=device)
    vectors = spectral_vectors(neighbors, n_clusters, rng)
    labels = k_means_partition(unit_rows(vectors), n_clusters, rng, n_starts=2)
    members = np.eye(n_clusters, dtype=drawn.dtype)[labels]  # (n, k)
    sizes = np.maximum(members.sum(axis=0), 1)
    inside = drawn - members @ (members.T @ drawn / sizes[:, None])
    if not np.abs(inside).max() > np.sqrt(np.finfo(np.float32).eps) * drawn.std():
        return 0.0  # duplicates: there is no noise inside
    # sums of samples with normal weights have the covariance of the samples
    noise = rng.standard_normal((n_samples, n_samples)).astype(drawn.dtype) @ inside
    noise -= noise.mean(axis=0)
    neighbors = mine_neighbors(noise, n_neighbors, method="exact", device=device)
    return max(_modularities(neighbors, candidates, rng))


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
