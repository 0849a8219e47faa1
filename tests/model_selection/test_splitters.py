"""Splitters in real searches over clusters of samples sorted by class."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_scan import SCANClusterer
from sklearn_scan.model_selection import ShuffledKFold, TransductiveSplit


@pytest.fixture(scope="module")
def by_class():
    """Three well separated groups of 30, one after the other."""
    X, y = make_blobs([30, 30, 30], 8, cluster_std=0.5, random_state=0)
    order = np.argsort(y, kind="stable")
    return X[order], y[order]


def search(cv, X, y=None):
    clusterer = SCANClusterer(3, n_neighbors=5, max_epochs=30, random_state=0)
    grid = {"entropy_weight": [2.0, 5.0]}
    return GridSearchCV(clusterer, grid, cv=cv, error_score="raise").fit(X, y)


@pytest.mark.parametrize("cv", [ShuffledKFold(3, random_state=0), TransductiveSplit()])
def test_sorted_samples_are_scored_in_full(by_class, cv):
    X, y = by_class
    assert search(cv, X, y).best_score_ > 0.95  # accuracy
    assert search(cv, X).best_score_ > 0.6  # of three equal groups, at most 2 / 3


def test_an_int_does_not_shuffle_for_clusterers(by_class):
    # what ShuffledKFold is for: each fold is of a class that was not trained on
    assert search(3, by_class[0]).best_score_ < 0.3


def test_folds_are_shuffled_and_repeatable(by_class):
    X, y = by_class
    folds = ShuffledKFold(3, random_state=0)
    first, second = list(folds.split(X)), list(folds.split(X))
    for (train, test), (_, again) in zip(first, second, strict=True):
        assert len(np.unique(y[test])) == 3
        assert not np.intersect1d(train, test).size
        np.testing.assert_array_equal(test, again)
    assert folds.get_n_splits() == 3


def test_the_transductive_split_fits_and_scores_everything(by_class):
    X, _ = by_class
    split = TransductiveSplit()
    [(train, test)] = split.split(X)
    np.testing.assert_array_equal(train, np.arange(90))
    np.testing.assert_array_equal(test, train)
    assert split.get_n_splits(X) == 1
    clusterer = SCANClusterer(3, n_neighbors=5, max_epochs=5, random_state=0)
    result = cross_validate(clone(clusterer), X, cv=split)
    assert result["test_score"] == [clusterer.fit(X).score(X)]


def test_a_list_of_paths_is_split():
    [(train, _)] = TransductiveSplit().split(["a.jpg", "b.jpg"])
    assert train.tolist() == [0, 1]
