"""Images that cannot be read: rows of NaN, and the label -1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def readable_rows(embedding: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows that are not NaN, as those of unreadable images are."""
    return np.flatnonzero(~np.isnan(embedding[:, 0]))


def take_rows(
    embedding: NDArray[np.float32], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return some rows, ascending: a copy, unless they are all."""
    return embedding if len(rows) == len(embedding) else embedding[rows]


def most_probable(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return each row's most probable cluster; -1 where the row is NaN."""
    unreadable = np.isnan(probabilities[:, 0])
    labels: NDArray[np.int64] = np.where(unreadable, -1, probabilities.argmax(axis=1))
    return labels


def cluster_sizes(labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    """Return how many samples each cluster has."""
    return np.bincount(labels[labels >= 0], minlength=n_clusters)
