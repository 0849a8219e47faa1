"""Which samples a head labels: those that it is sure of and whose neighbours agree.

Source: Niu, Shan and Wang, "SPICE: Semantic Pseudo-Labeling for Image Clustering", IEEE
TIP 2022, section 3.3, where only confidence and agreement choose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.clusterers.defaults import (
    LEAST_AGREEMENT,
    LEAST_LABELED,
    LEAST_SHARE,
)
from sklearn_scan.neighbors import NeighborGraph


def choose_labeled(
    labels: NDArray[np.int64],
    confidence: NDArray[np.float32],
    graph: NeighborGraph,
    n_clusters: int,
    threshold: float,
) -> NDArray[np.int64]:
    """Return the labels of the samples that may teach, and -1 for the others.

    A sample may if it is confident, or in the more confident half of its cluster, and
    if 95 % of its neighbours are in its cluster. Of a cluster that has few of these,
    the tenth teaches whose neighbours agree most. So each cluster has a teacher.

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        The cluster of each sample.
    confidence : ndarray of float32, shape (n,)
        Its probability.
    graph : NeighborGraph
        The neighbours of each sample.
    n_clusters : int
        The number of clusters.
    threshold : float
        The probability above which a sample is confident.

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    counts = np.bincount(labels, minlength=n_clusters)
    agreement = graph.agreeing(labels).mean(axis=1)
    place = _place_in_cluster(labels, -confidence)
    is_sure = (confidence > threshold) | (place < LEAST_SHARE * counts[labels])
    teaches = is_sure & (agreement >= LEAST_AGREEMENT)

    fewest = np.ceil(LEAST_LABELED * counts)
    has_few = np.bincount(labels[teaches], minlength=n_clusters) < fewest
    place = _place_in_cluster(labels, -agreement, -confidence)
    teaches |= has_few[labels] & (place < fewest[labels])
    return np.where(teaches, labels, -1)


def _place_in_cluster(
    labels: NDArray[np.int64], *keys: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Return the place of each sample in its cluster, from 0, by rising keys."""
    order = np.lexsort((*reversed(keys), labels))
    counts = np.bincount(labels)
    starts = counts.cumsum() - counts
    places = np.empty_like(order)
    places[order] = np.arange(len(labels)) - starts[labels[order]]
    return places
