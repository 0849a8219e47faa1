"""Splitters for searches over clusterers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator, KFold
from sklearn.utils.validation import _num_samples


class ShuffledKFold(KFold):
    """Folds of shuffled samples, for settings that must hold for new samples.

    `GridSearchCV(cv=3)` shuffles for no clusterer: of images in folders by class, each
    fold then lacks the classes that it is scored on.

    Parameters
    ----------
    n_splits : int, default=3
        The number of folds, at least two.
    random_state : int, RandomState or None, default=None
        Seeds the order. With an int, every call of `split` is equal.

    Examples
    --------
    >>> folds = ShuffledKFold(2, random_state=0)
    >>> [test.tolist() for train, test in folds.split(range(6))]
    [[1, 2, 5], [0, 3, 4]]
    """

    def __init__(self, n_splits: int = 3, *, random_state: Any = None) -> None:
        super().__init__(n_splits, shuffle=True, random_state=random_state)


class TransductiveSplit(BaseCrossValidator):
    """The single split that fits and scores all samples.

    Without labels nothing leaks from fit to score, and clusters are often wanted of
    these very samples: no sample is then spent on a test fold, and one fit a setting is
    enough.

    Examples
    --------
    >>> [(train, test)] = TransductiveSplit().split(["a", "b", "c"])
    >>> train.tolist(), test.tolist()
    ([0, 1, 2], [0, 1, 2])
    """

    def split(
        self, X: Any, y: Any = None, groups: Any = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Yield the indices of all samples, twice.

        Parameters
        ----------
        X : array-like of shape (n, ...)
            The samples.
        y, groups : ignored
            Here for scikit-learn's sake.

        Yields
        ------
        train, test : ndarray of int, shape (n,)
        """
        everything = np.arange(_num_samples(X))
        yield everything, everything

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return 1, the number of splits."""
        return 1
