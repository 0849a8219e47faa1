"""The purity of neighbours."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_scan.metrics._contingency import check_labels, check_rows


def neighbor_purity(neighbors: ArrayLike, y: ArrayLike) -> float:
    """Return the mean share of a sample's neighbors that have its label.

    SCAN learns from neighbors. If clusters are poor, look at this number first.

    Parameters
    ----------
    neighbors : array-like of int of shape (n_samples, n_neighbors)
        Indices of each sample's neighbors.
    y : array-like of shape (n_samples,)
        Classes.

    Returns
    -------
    float
        Purity between 0 and 1.

    Raises
    ------
    ValueError
        If ``y`` is empty, not 1-D or has missing labels, or if ``neighbors`` is not a
        2-D array of indices of samples with one row for each sample.

    Examples
    --------
    >>> from sklearn_scan.metrics import neighbor_purity
    >>> neighbor_purity([[1, 2], [0, 2], [0, 1]], ["cat", "cat", "dog"])
    0.3333333333333333
    """
    (y,) = check_labels(y=y)
    neighbors = _check_neighbors(neighbors, n_samples=len(y))
    _, codes = np.unique(y, return_inverse=True)  # n × k integers, not n × k strings
    return float(np.mean(codes[neighbors] == codes[:, np.newaxis]))


def _check_neighbors(neighbors: ArrayLike, n_samples: int) -> NDArray[np.integer]:
    neighbors = check_rows("neighbors", neighbors, n_samples, "n_neighbors")
    if not np.issubdtype(neighbors.dtype, np.integer):
        raise ValueError(
            f"neighbors must hold integer indices; got the type {neighbors.dtype}."
        )
    if neighbors.min() < 0 or neighbors.max() >= n_samples:
        raise ValueError(
            f"neighbors must hold indices from 0 to {n_samples - 1}; "
            f"got {neighbors.min()} to {neighbors.max()}."
        )
    return neighbors
