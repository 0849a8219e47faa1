"""The score that settings are chosen by, where there are no labels."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV

from sklearn_scan import SCANClusterer
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import (
    TransductiveSplit,
    label_free_score,
    neighbor_information,
)
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import KernelFeatures


@pytest.fixture(scope="module")
def digits():
    return load_digits(return_X_y=True)


def share_found_again(labels, X):
    """Return how many labels of either half a kernel model learns from the other."""
    X = torch.tensor(X, dtype=torch.float32)
    X = KernelFeatures.from_features(X)(X).numpy()
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))
    halves = [half.numpy() for half in order.tensor_split(2)]
    n_found = 0
    for learnt, asked in (halves, halves[::-1]):
        one_hot = np.eye(10)[labels[learnt]]
        ridge = Ridge(alpha=0.1 * len(learnt), fit_intercept=False)
        logits = ridge.fit(X[learnt], one_hot).predict(X[asked]) + one_hot.mean(axis=0)
        n_found += (logits.argmax(axis=1) == labels[asked]).sum()
    return n_found / len(X)


@pytest.mark.parametrize("n_samples", [1797, 199, 50])
def test_it_is_what_neighbors_share_times_what_is_found_again(n_samples, digits):
    X, y = digits[0][:n_samples], digits[1][:n_samples]
    graph = mine_neighbors(X - X.mean(axis=0), 3)
    expected = neighbor_information(y, graph) * share_found_again(y, X) ** 2
    assert label_free_score(y, X) == pytest.approx(expected, rel=0.02)


def test_labels_of_any_integer_type_score_the_same(digits):
    X, y = digits[0][:200], 20 * (digits[1][:200] % 7)
    expected = label_free_score(y, X)
    for dtype in (np.int8, np.uint8, np.int32, np.uint64):
        assert label_free_score(y.astype(dtype), X) == expected
    assert label_free_score(y[::-1], X[::-1]) > 0  # of strides below zero


def test_what_no_smooth_model_finds_scores_less_than_neighbors_share():
    """Short pieces of a ring do; its halves, and the two halves of quarters, do not."""
    angles = np.linspace(0, 4 * np.pi, 400, endpoint=False)
    X = np.c_[np.cos(angles), np.sin(angles)] + 5e-3 * np.sin(7 * angles)[:, None]
    halves, quarters = (X[:, 0] > 0).astype(int), (X[:, 0] * X[:, 1] > 0).astype(int)
    pieces = np.arange(400) // 5 % 2
    graph = mine_neighbors(X - X.mean(axis=0), 3)
    for labels in (halves, quarters):
        shared = neighbor_information(labels, graph)
        assert label_free_score(labels, X) > 0.9 * shared
    assert 0 < label_free_score(pieces, X) < 0.5 * neighbor_information(pieces, graph)


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


@pytest.mark.filterwarnings("ignore:.* empty:sklearn.exceptions.ConvergenceWarning")
def test_score_does_not_depend_on_how_many_neighbors_were_trained_with(digits):
    X = digits[0][:300]
    few, many = (
        SCANClusterer(
            10, n_neighbors=k, n_heads=3, self_label_epochs=0, random_state=0
        ).fit(X)
        for k in (5, 50)
    )
    for clusterer in (few, many):
        assert clusterer.score(X) == label_free_score(clusterer.labels_, X)


@pytest.mark.filterwarnings("ignore:.* empty:sklearn.exceptions.ConvergenceWarning")
def test_a_search_without_labels_finds_the_better_training(digits):
    X = digits[0][:300]
    search = GridSearchCV(
        SCANClusterer(10, n_heads=2, self_label_epochs=0, random_state=0),
        {"learning_rate": [10.0, 1e-3]},
        cv=TransductiveSplit(),
    )
    assert search.fit(X).best_params_ == {"learning_rate": 1e-3}


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


def test_numbers_of_clusters_may_have_gaps(digits):
    X, y = digits[0][:200], digits[1][:200]
    assert label_free_score(10**9 * y, X) == label_free_score(y, X)
