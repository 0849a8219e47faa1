"""Partitions by Ward's linkage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import pairwise_distances_argmin

# Time and memory grow with the square of the number of samples.
_MOST_SAMPLES = 4000
_MOST_AXES = 64  # along the others lies little but noise


def ward_partition(
    features: NDArray[np.floating], n_clusters: int, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Return Ward's clusters of centred samples (n, d) along their principal axes.

    Of more than 4,000 samples, as many are drawn, and all go to the nearest mean.
    """
    leading = _leading_axes(features)
    n_drawn = max(_MOST_SAMPLES, 2 * n_clusters)
    if len(leading) <= n_drawn:
        return _merge(leading, n_clusters)
    drawn = leading[rng.permutation(len(leading))[:n_drawn]]
    labels = _merge(drawn, n_clusters)
    means = np.stack([drawn[labels == c].mean(axis=0) for c in range(1 + labels.max())])
    found: NDArray[np.int64] = pairwise_distances_argmin(leading, means)
    return found


def _leading_axes(features: NDArray[np.floating]) -> NDArray[np.float64]:
    exact: NDArray[np.float64] = features.astype(np.float64)
    if exact.shape[1] <= _MOST_AXES:
        return exact
    axes: NDArray[np.float64] = np.linalg.eigh(exact.T @ exact)[1]
    return exact @ axes[:, -_MOST_AXES:]


def _merge(features: NDArray[np.floating], n_clusters: int) -> NDArray[np.int64]:
    labels = AgglomerativeClustering(min(n_clusters, len(features))).fit_predict(
        features
    )
    found: NDArray[np.int64] = labels.astype(np.int64)
    return found
