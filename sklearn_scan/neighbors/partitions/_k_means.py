"""Partitions by k-means."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

# As many samples, or as many a cluster, are enough to find the means of all.
_MOST_SAMPLES, _MOST_OF_CLUSTER = 10_000, 50
# With many clusters each step takes long, and the first ones gain most.
_MOST_STEPS, _STEPS_OF_MANY, _MANY_CLUSTERS = 50, 15, 100


def k_means_partition(
    features: NDArray[np.floating],
    n_clusters: int,
    rng: np.random.RandomState,
    *,
    n_starts: int = 1,
) -> NDArray[np.int64]:
    """Assign each sample (n, d) to the nearest of the means that k-means finds."""
    # in double precision, results hardly depend on the order in which threads add
    features = np.asarray(features, dtype=np.float64)
    drawn = features
    n_drawn = max(_MOST_SAMPLES, _MOST_OF_CLUSTER * n_clusters)
    if len(features) > n_drawn:
        drawn = features[rng.permutation(len(features))[:n_drawn]]
    k_means = KMeans(
        min(n_clusters, len(drawn)),
        n_init=n_starts,
        max_iter=_MOST_STEPS if n_clusters <= _MANY_CLUSTERS else _STEPS_OF_MANY,
        random_state=rng,
    )
    with warnings.catch_warnings():  # that duplicates leave clusters empty
        warnings.simplefilter("ignore", ConvergenceWarning)
        k_means.fit(drawn)
    labels = k_means.labels_ if drawn is features else k_means.predict(features)
    found: NDArray[np.int64] = labels.astype(np.int64)
    return found
