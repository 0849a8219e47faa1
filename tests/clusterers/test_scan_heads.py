"""How SCANClusterer's parameters choose its heads, and how sizes follow the data."""

import re

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs

from sklearn_scan import SCANClusterer, SimCLR
from sklearn_scan.clusterers.defaults import ENTROPY_WEIGHTS
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import neighbor_information


def fast(**parameters):
    settings = {"n_clusters": 3, "n_neighbors": 10, "random_state": 0}
    settings |= {"self_label_epochs": 0}
    return SCANClusterer(**settings | parameters)


@pytest.fixture(scope="module")
def uneven():
    """Three groups of unequal sizes that touch each other."""
    return make_blobs([200, 60, 20], 8, cluster_std=2.0, random_state=2)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400], y[:400]


# -- heads ---------------------------------------------------------------------------


@pytest.mark.parametrize(("n_heads", "expected"), [("auto", 12), (1, 1), (5, 5)])
def test_number_of_heads(n_heads, expected, uneven):
    settings = {"max_epochs": 1, "learning_rate": 1e-3}
    clusterer = fast(n_heads=n_heads, **settings).fit(uneven[0])
    assert clusterer.head_scores_.shape == clusterer.head_losses_.shape == (expected,)


def test_the_head_of_the_highest_score_is_kept(digits):
    clusterer = fast(n_clusters=10, n_heads=9, max_epochs=5).fit(digits[0])
    assert clusterer.best_head_ == clusterer.head_scores_.argmax()
    # what neighbours share, times what is found again and what other heads agree on
    most = neighbor_information(clusterer.labels_, clusterer.neighbors_.nearest(3))
    assert 0.5 * most < clusterer.head_scores_.max() <= most + 1e-6


def test_auto_weight_tries_several(digits):
    X, _ = digits
    settings = {"n_clusters": 10, "max_epochs": 3, "learning_rate": 1e-2}
    several = fast(n_heads=2, **settings).fit(X)
    for head, weight in enumerate(ENTROPY_WEIGHTS):
        one = fast(n_heads=1, entropy_weight=weight, **settings).fit(X)
        assert several.head_losses_[head] == pytest.approx(one.head_losses_[0])


def test_no_cluster_stays_empty_that_need_not(digits):
    clusterer = fast(n_clusters=25).fit(digits[0])
    assert (np.bincount(clusterer.labels_, minlength=25) > 0).all()


def test_equal_seeds_give_fits_equal_to_the_bit(digits):
    X, _ = digits
    settings = {"n_clusters": 10, "max_epochs": 3, "self_label_epochs": 3}
    first, again, other = (
        fast(**settings, random_state=seed).fit(X) for seed in (4, 4, 5)
    )
    for name in ("probabilities_", "head_losses_", "head_scores_"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert first.history_ == again.history_
    assert (first.head_losses_ != other.head_losses_).any()


# -- sizes ---------------------------------------------------------------------------


def test_auto_prior_keeps_unequal_sizes_under_a_strong_pull():
    X, y = make_blobs([200, 60, 20], 8, cluster_std=1.5, random_state=2)
    equal, own = (
        fast(entropy_weight=20, learning_rate=0.03, cluster_prior=prior).fit(X)
        for prior in (None, "auto")
    )
    assert np.bincount(equal.labels_).max() < 150  # of 280: parted by force
    assert np.bincount(own.labels_).max() > 185
    assert own.score(X, y) > 0.95


def test_a_prior_in_any_order_gives_the_same_clusters(uneven):
    shares = np.array([200, 60, 20]) / 280
    first, *others = (
        fast(n_heads=3, cluster_prior=shares[order]).fit(uneven[0])
        for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0])
    )
    for other in others:
        np.testing.assert_array_equal(other.probabilities_, first.probabilities_)


def test_a_prior_may_be_a_list_and_is_left_as_it_was(uneven):
    prior = [0.1, 0.2, 0.7]
    clusterer = fast(n_heads=3, max_epochs=2, cluster_prior=prior).fit(uneven[0])
    assert clusterer.cluster_prior is prior
    assert prior == [0.1, 0.2, 0.7]


def test_known_sizes_are_drawn_to(uneven):
    X, y = uneven
    shares = np.array([20, 60, 200]) / 280
    known = fast(entropy_weight=20, cluster_prior=shares).fit(X)
    sizes = np.bincount(known.labels_) / 280
    np.testing.assert_allclose(sizes, shares[::-1], atol=0.05)
    assert known.score(X, y) > 0.9


def test_auto_prior_with_a_number_of_clusters_found():
    X, _ = make_blobs([120, 60, 30], 32, random_state=0)
    clusterer = fast(n_clusters="auto", cluster_prior="auto", max_epochs=5).fit(X)
    assert np.bincount(clusterer.labels_).tolist() == [120, 60, 30]


def test_many_unequal_classes_are_not_made_equal():
    """40 groups of 20 to 200 samples, on defaults but for the time they take."""
    rng = np.random.default_rng(0)
    sizes = np.geomspace(20, 200, 40).astype(int)
    y = np.repeat(np.arange(40), sizes)
    X = 1.3 * rng.normal(size=(40, 16))[y] + rng.normal(size=(len(y), 16)) * 0.5
    clusterer = SCANClusterer(
        40, random_state=0, n_heads=6, max_epochs=10, self_label_epochs=0
    ).fit(X)
    found = clustering_accuracy(y, clusterer.labels_)
    k_means = KMeans(40, n_init=3, random_state=0).fit_predict(X)
    assert found > clustering_accuracy(y, k_means) + 0.03
    assert found > 0.96
    found_sizes = np.bincount(clusterer.labels_, minlength=40)
    assert found_sizes.max() > 5 * found_sizes.min() > 50


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cluster_prior": [0.5, 0.5]}, r"shape \(3,\); got shape \(2,\)"),
        ({"cluster_prior": [[0.2, 0.3, 0.5]]}, r"shape \(3,\); got shape \(1, 3\)"),
        ({"cluster_prior": [0.2, 0.2, 0.2]}, "must sum to one; it sums to 0.6"),
        ({"cluster_prior": [1.2, -0.1, -0.1]}, "above zero"),
        ({"cluster_prior": [np.nan, 0.5, 0.5]}, "finite proportions"),
        ({"cluster_prior": "equal"}, "'auto', None or an array; got 'equal'"),
        ({"cluster_prior": "auto", "n_neighbors": 0}, "n_neighbors=0 leaves none"),
        (
            {"cluster_prior": [0.5, 0.5], "n_clusters": "auto"},
            "pass their number as n_clusters; got n_clusters='auto'",
        ),
        ({"n_heads": "many"}, "n_heads must be 'auto' or a number; got 'many'"),
        ({"n_heads": 0}, "n_heads must be .*; got 0"),
        ({"entropy_weight": "low"}, "entropy_weight must be 'auto' or a number"),
    ],
)
def test_errors_name_what_is_wrong(parameters, message, uneven):
    with pytest.raises(ValueError, match=message):
        fast(**parameters).fit(uneven[0])


def test_auto_prior_needs_neighbors_of_images_too():
    images = np.random.default_rng(0).random((12, 8, 8))
    clusterer = fast(encoder=SimCLR(epochs=1), cluster_prior="auto", n_neighbors=0)
    with pytest.raises(ValueError, match=re.escape("cluster_prior='auto'")):
        clusterer.fit(images)
