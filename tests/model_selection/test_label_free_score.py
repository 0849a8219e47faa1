"""The score that settings are chosen by, where there are no labels."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from sklearn_scan import SCANClusterer
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import (
    TransductiveSplit,
    label_free_score,
    neighbor_information,
)
from sklearn_scan.neighbors import mine_neighbors


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def test_it_is_the_information_of_labels_among_20_neighbors(digits):
    X, y = digits
    graph = mine_neighbors(X - X.mean(axis=0), 20)
    expected = neighbor_information(np.eye(10)[y], graph)
    assert label_free_score(y, X) == pytest.approx(expected)


def test_of_few_samples_a_tenth_are_neighbors(digits):
    X, y = digits[0][:50], digits[1][:50]
    graph = mine_neighbors(X - X.mean(axis=0), 5)
    expected = neighbor_information(np.eye(10)[y], graph)
    assert label_free_score(y, X) == pytest.approx(expected)


def test_it_ranks_clusters_as_their_accuracy_does(digits):
    X, y = digits
    rng = np.random.default_rng(0)
    noise = [np.where(rng.random(len(y)) < p, rng.permutation(y), y) for p in (0, 0.2)]
    merged = np.minimum(y, 7)
    labelings = [*noise, KMeans(10, n_init=1, random_state=0).fit_predict(X), merged]
    scores = np.array([label_free_score(labels, X) for labels in labelings])
    accuracies = [clustering_accuracy(y, labels) for labels in labelings]
    assert scores.argmax() == np.argmax(accuracies) == 0
    assert (scores[1:] < scores[0]).all()


def test_score_does_not_depend_on_how_many_neighbors_were_trained_with(digits):
    X = digits[0][:300]
    few, many = (
        SCANClusterer(10, n_neighbors=k, max_epochs=2, random_state=0).fit(X)
        for k in (5, 100)
    )
    for clusterer in (few, many):
        assert clusterer.score(X) == label_free_score(clusterer.labels_, X)


def test_a_search_without_labels_finds_the_better_training(digits):
    X = digits[0][:600]
    search = GridSearchCV(
        SCANClusterer(10, max_epochs=20, self_label_epochs=0, random_state=0),
        {"learning_rate": [1e-5, 1e-2]},
        cv=TransductiveSplit(),
    )
    assert search.fit(X).best_params_ == {"learning_rate": 1e-2}


@pytest.mark.parametrize(
    ("labels", "features", "message"),
    [
        ([0, 1], np.ones((3, 2)), "labels must be 3 integers"),
        ([0.5, 1, 1], np.ones((3, 2)), "labels must be 3 integers"),
        ([0, -1, 1], np.ones((3, 2)), "numbered from 0; got -1"),
        ([0], np.ones((1, 2)), "n of at least 2"),
        ([0, 1, 1], np.ones(3), r"shape \(n, d\)"),
        ([0, 1, 1], np.full((3, 2), np.nan), "finite"),
    ],
)
def test_errors_name_what_is_wrong(labels, features, message):
    with pytest.raises(ValueError, match=message):
        label_free_score(labels, features)
