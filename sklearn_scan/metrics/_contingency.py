"""The contingency table, from which all metrics are read, and checks of labels."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

UNREADABLE = -1
"""The label of an image that could not be read."""


def contingency(
    y_true: np.ndarray, y_pred: np.ndarray
) -> tuple[np.ndarray, np.ndarray, NDArray[np.int64]]:
    """Return classes, clusters without -1, and counts (n_classes, n_clusters)."""
    classes, clusters = np.unique(y_true), np.unique(y_pred)
    readable = clusters != UNREADABLE
    return classes, clusters[readable], contingency_matrix(y_true, y_pred)[:, readable]


def match(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns of the pairs of the largest sum, rows ascending."""
    rows, columns = linear_sum_assignment(counts, maximize=True)
    # what is left over is paired by chance, without a shared sample
    shared = counts[rows, columns] > 0
    return rows[shared], columns[shared]


def check_labels(**labels: ArrayLike) -> list[np.ndarray]:
    """Return labels as arrays of one length; errors use the names they come by."""
    checked = {name: _check_label(name, y) for name, y in labels.items()}
    (first, y_first), *others = checked.items()
    for name, y in others:
        if len(y) != len(y_first):
            raise ValueError(
                f"{name} must have as many labels as {first}, {len(y_first)}; "
                f"got {len(y)}."
            )
    return list(checked.values())


def check_rows(name: str, rows: ArrayLike, n_samples: int, columns: str) -> np.ndarray:
    """Return rows as an array with one for each sample, and a column or more."""
    array = _as_array(name, rows)
    if array.ndim != 2 or len(array) != n_samples or array.shape[1] == 0:
        raise ValueError(
            f"{name} must have the shape (n_samples={n_samples}, {columns}); "
            f"got an array of shape {array.shape}."
        )
    return array


def _check_label(name: str, y: ArrayLike) -> np.ndarray:
    y = _as_array(name, y)
    if y.ndim != 1 or len(y) == 0:
        raise ValueError(
            f"{name} must be a 1-D array of at least one label; "
            f"got an array of shape {y.shape}."
        )
    # only a NaN differs from itself; object arrays may hold one too
    if any(label is None or label != label for label in y.tolist()):
        raise ValueError(
            f"{name} must have a label for each sample; got NaN or None among them."
        )
    return y


def _as_array(name: str, values: ArrayLike) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:  # of lists of several lengths
        raise ValueError(f"{name} must be an array: {error}") from error
