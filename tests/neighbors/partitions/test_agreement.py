"""Features in which neighbours agree: what their scales are, and what they are for."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.neighbors.partitions import agreeing_features, whiten


def centered(X):
    return (X - X.mean(axis=0)).astype(np.float32)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return centered(X), y


def purity(features, y, n_neighbors=10):
    """Return the share of neighbours that are of one's class."""
    graph = mine_neighbors(features, n_neighbors, method="exact")
    return np.mean(y[graph.indices] == y[:, np.newaxis])


def slow_products(white, graph):
    """Return the mean product of each two directions, of samples and neighbours."""
    products = np.zeros((white.shape[1],) * 2)
    for own, row in zip(white, graph.indices, strict=True):
        for other in white[row]:
            products += (np.outer(own, other) + np.outer(other, own)) / 2
    return products / graph.indices.size


def test_scales_are_how_much_neighbors_agree():
    rng = np.random.default_rng(0)
    X = centered(rng.normal(size=(80, 5)) * [5, 4, 3, 2, 1])
    graph = mine_neighbors(X, 3)
    white = whiten(X).astype(float)
    correlations, directions = np.linalg.eigh(slow_products(white, graph))
    expected = (white @ directions) * correlations.clip(0)
    found = agreeing_features(X, graph)
    assert found.dtype == np.float32
    # in whatever signs, that in which they agree most first
    np.testing.assert_allclose(abs(found), abs(expected[:, ::-1]), atol=1e-3)


def test_a_direction_of_chance_counts_less():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 100)
    X = centered(np.c_[3 * y, rng.normal(size=(200, 4))])
    drawn = X[:, :1] + 0.1 * rng.normal(size=(200, 1))
    found = agreeing_features(X, mine_neighbors(drawn, 5, metric="euclidean"))
    deviations = found.std(axis=0)
    assert deviations[1:].max() < 0.5 * deviations[0]


def test_neighbors_of_digits_are_of_one_class_more_often(digits):
    X, y = digits
    agreeing = agreeing_features(X, mine_neighbors(X, 5))
    assert purity(agreeing, y) > purity(X, y)


def test_neighbors_of_handwritten_digits_are_of_one_class_more_often():
    path = Path(os.environ.get("SKLEARN_SCAN_DATA", "")) / "usps.npz"
    if not path.is_file():
        pytest.skip(f"{path} is absent: set SKLEARN_SCAN_DATA")
    with np.load(path) as usps:
        X, y = usps["Xtest"], usps["ytest"]
    X = centered(X.reshape(len(X), -1) / 255)
    agreeing = agreeing_features(X, mine_neighbors(X, 5))
    assert purity(agreeing, y) > purity(X, y)


@pytest.mark.parametrize("n_features", [1, 2, 7])
@pytest.mark.parametrize("n_samples", [2, 30])
def test_equal_rows_are_zeros(n_samples, n_features):
    X = np.zeros((n_samples, n_features), np.float32)
    graph = mine_neighbors(X, min(5, n_samples - 1))
    assert not agreeing_features(X, graph).any()


def test_neighbors_that_are_opposites_leave_nothing():
    X = np.array([[1.0], [-1.0]], np.float32)
    assert not agreeing_features(X, mine_neighbors(X, 1)).any()
