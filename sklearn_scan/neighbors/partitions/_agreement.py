"""Features in which neighbours agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions._discriminant import whiten


def agreeing_features(
    features: NDArray[np.float32], neighbors: NeighborGraph
) -> NDArray[np.float32]:
    r"""Return features that are scaled by how much neighbours agree in each direction.

    With white features :math:`z` and the mean :math:`C` of :math:`z_i z_j^\top` over
    neighbours :math:`i, j`, made symmetric, the directions are the eigenvectors of
    :math:`C`, and the scales its eigenvalues: the correlation of a sample and its
    neighbour. Neighbours found in them are of one class more often, since what differs
    between neighbours counts less.

    It is what the SCAN loss asks of heads, for linear features and in closed form: that
    neighbours agree while the features stay spread.

    Parameters
    ----------
    features : ndarray of float32, shape (n, d)
        The samples, about their mean.
    neighbors : NeighborGraph
        Their neighbours; few are better than many.

    References
    ----------
    .. [1] X. He and P. Niyogi, "Locality Preserving Projections", NIPS 2003.
    """
    white = whiten(features)
    around = np.zeros_like(white)
    for column in neighbors.indices.T:
        around += white[column]
    products = (white.T @ around).astype(np.float64) / neighbors.indices.size
    correlations, vectors = np.linalg.eigh((products + products.T) / 2)
    scaled: NDArray[np.float32] = (vectors * correlations.clip(0)).astype(np.float32)
    return white @ scaled[:, ::-1]
