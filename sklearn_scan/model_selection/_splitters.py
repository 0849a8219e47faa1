"""Splitters for grid searches over clusterers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold
from sklearn.utils.validation import _num_samples

from sklearn_scan.core.random import RandomState


class ShuffledKFold(KFold):
    """Folds of shuffled samples, to choose settings for new samples.

    `GridSearchCV(cv=3)` does not shuffle the samples of clusterers. If images are
    sorted by class, the training samples then lack the classes of the test fold.

    Parameters
    ----------
    n_splits : int, default=3
        The number of folds, at least two.
    random_state : int, RandomState or None, default=None
        Seeds the order. With an int, every call of `split` gives the same folds.

    Examples
    --------
    >>> folds = ShuffledKFold(2, random_state=0)
    >>> [test.tolist() for train, test in folds.split(range(6))]
    [[1, 2, 5], [0, 3, 4]]
    """

    def __init__(self, n_splits: int = 3, *, random_state: RandomState = None) -> None:
        super().__init__(n_splits, shuffle=True, random_state=random_state)


class TransductiveSplit(BaseCrossValidator):
    """A single split: all samples are fitted and scored.

    Use it if you want to cluster these same samples. Without labels, a score cannot be
    too good because the samples were used in the fit. Each setting takes one fit.

    Examples
    --------
    >>> [(train, test)] = TransductiveSplit().split(["a", "b", "c"])
    >>> train.tolist(), test.tolist()
    ([0, 1, 2], [0, 1, 2])
    """

    def split(
        self, X: Any, y: object = None, groups: object = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the indices of all samples, twice.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            The samples.
        y, groups : ignored
            Part of scikit-learn's interface.

        Yields
        ------
        train, test : ndarray of int, shape (n,)
        """
        everything = np.arange(_num_samples(X))
        yield everything, everything

    def get_n_splits(
        self, X: object = None, y: object = None, groups: object = None
    ) -> int:
        """Return 1, the number of splits."""
        return 1
