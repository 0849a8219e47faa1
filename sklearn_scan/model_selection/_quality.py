"""What is known of clusters without labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

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


class Quality(NamedTuple):
    r"""What is known about clusters without labels: figures from 0 to 1, or NaN.

    Attributes
    ----------
    neighbor_agreement : float
        How often one of the three nearest neighbours of a sample is in the same
        cluster as the sample.
    score : float
        The label-free score, divided by its maximum: :math:`g^2 I / H`. :math:`I` is
        the information that the cluster of a neighbour has about the cluster of a
        sample, :math:`H` is the entropy of the clusters, and :math:`g` is the share of
        samples whose cluster a linear model predicts, without having seen them.
    stability : float
        The share of samples that another method puts into the same clusters, after the
        best one-to-one matching: the upper quartile over several methods.
    expected_accuracy : float
        An estimate of the share of samples in the right cluster:
        :math:`a\, g \sqrt{I / H}`, with the stability :math:`a`. The other two factors
        detect errors that all methods make in the same way. (The information belongs to
        a pair of samples, so one sample gets its square root.) It is at least one
        divided by the number of clusters, as for random clusters.

    Notes
    -----
    No constant of `expected_accuracy` was fitted to data. On 29 sets of images it was
    wrong by .06 on average, and by .14 at most, except for one set (.28).
    """

    neighbor_agreement: float = np.nan
    score: float = np.nan
    stability: float = np.nan
    expected_accuracy: float = np.nan

    @classmethod
    def of(
        cls,
        labels: NDArray[np.int64],
        partitions: Iterable[NDArray[np.int64]],
        features: Tensor,
        neighbors: NeighborGraph,
    ) -> Self:
        """Measure clusters.

        Parameters
        ----------
        labels : ndarray of int64, shape (n,)
            The clusters, numbered from 0.
        partitions : iterable of ndarray of int64, shape (n,)
            Clusters of the same samples by other methods, with the same number of
            clusters.
        features : Tensor of shape (n, d)
            The samples, about their mean, of a variance near one.
        neighbors : NeighborGraph
            Their neighbours; only the nearest three are used.

        Returns
        -------
        Quality
            All figures are NaN for a single cluster.
        """
        if len(np.unique(labels)) == 1:
            return cls()
        stability = np.quantile(
            [clustering_accuracy(each, labels) for each in partitions], _AGREEING
        )
        partition = from_numpy(labels)[None].to(features.device)
        found_again = float(linear_generalization(partition, features)[0])
        nearest = neighbors.nearest(N_NEAREST)
        shared = _share_of_entropy(labels, nearest)
        expected = float(stability) * found_again * shared**0.5
        return cls(
            neighbor_agreement=float(nearest.agreeing(labels).mean()),
            score=shared * found_again**2,
            stability=float(stability),
            expected_accuracy=max(expected, 1 / (1 + int(labels.max()))),
        )


def _share_of_entropy(labels: NDArray[np.int64], neighbors: NeighborGraph) -> float:
    """Return the information of neighbours as a share of the most; 1 where it is 0."""
    most = float(entropy(np.bincount(labels)))
    return min(1.0, neighbor_information(labels, neighbors) / most) if most else 1.0
