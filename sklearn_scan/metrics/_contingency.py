"""The contingency table that all else is read from, and the checks of labels."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

UNREADABLE = -1
"""The label of an image that could not be read."""


def contingency(
    y_true: NDArray[Any], y_pred: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Classes, clusters and their counts (n_classes, n_clusters), -1 left out."""
    classes, clusters = np.unique(y_true), np.unique(y_pred)
    readable = clusters != UNREADABLE
    return classes, clusters[readable], contingency_matrix(y_true, y_pred)[:, readable]


def match(counts: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pairs with the largest sum, rows ascending."""
    rows, columns = linear_sum_assignment(counts, maximize=True)
    # The method pairs whatever is left over; without a shared sample that is chance.
    shared = counts[rows, columns] > 0
    return rows[shared], columns[shared]


def check_labels(**labels: ArrayLike) -> list[NDArray[Any]]:
    """Label arrays of one length, passed by the names that the errors use."""
    checked = {name: _check_label(name, y) for name, y in labels.items()}
    (first, y_first), *others = checked.items()
    for name, y in others:
        if len(y) != len(y_first):
            raise ValueError(
                f"{name} must have as many labels as {first}, {len(y_first)}; "
                f"got {len(y)}."
            )
    return list(checked.values())


def _check_label(name: str, y: ArrayLike) -> NDArray[Any]:
    y = np.asarray(y)
    if y.ndim != 1 or len(y) == 0:
        raise ValueError(
            f"{name} must be a 1-D array of at least one label; "
            f"got an array of shape {y.shape}."
        )
    # Only a NaN differs from itself; it also hides in object arrays.
    if any(label is None or label != label for label in y.tolist()):
        raise ValueError(
            f"{name} must have a label for each sample; got NaN or None among them."
        )
    return y
