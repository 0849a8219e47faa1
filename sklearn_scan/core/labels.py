"""Labels, from probabilities; -1 is an image that cannot be read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def most_probable(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return each row's most probable cluster; -1 where the row is NaN."""
    unreadable = np.isnan(probabilities[:, 0])
    labels: NDArray[np.int64] = np.where(unreadable, -1, probabilities.argmax(axis=1))
    return labels


def cluster_sizes(labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    """Return the number of samples in each cluster."""
    return np.bincount(labels[labels >= 0], minlength=n_clusters)
