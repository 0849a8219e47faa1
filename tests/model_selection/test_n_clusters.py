"""The number of clusters, estimated; on its own and by n_clusters="auto"."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan import SCANClusterer
from sklearn_scan.model_selection import estimate_n_clusters


def blobs(n_clusters, n_samples=600, n_features=32):
    X, _ = make_blobs(n_samples, n_features, centers=n_clusters, random_state=0)
    return X


def auto(**parameters):
    settings = {"n_neighbors": 5, "max_epochs": 20, "random_state": 0} | parameters
    return SCANClusterer("auto", **settings)


@pytest.mark.parametrize("n_clusters", [2, 3, 5, 13])
def test_separate_groups_are_counted(n_clusters):
    assert estimate_n_clusters(blobs(n_clusters), random_state=0).n_clusters == (
        n_clusters
    )


def test_more_groups_than_a_small_sample_tells_apart():
    n_clusters = estimate_n_clusters(blobs(30, 1300), random_state=0).n_clusters
    assert 28 <= n_clusters <= 32


def test_groups_of_unequal_sizes():
    X, _ = make_blobs([300, 150, 80, 40], 32, random_state=0)
    assert estimate_n_clusters(X, random_state=0).n_clusters == 4


def test_digits():
    X, _ = load_digits(return_X_y=True)
    curve = estimate_n_clusters(X, random_state=0)
    assert 8 <= curve.n_clusters <= 12
    assert curve.candidates[curve.scores.argmax()] == curve.n_clusters
    assert curve.candidates.shape == curve.scores.shape
    assert (np.diff(curve.candidates) > 0).all()
    assert curve.candidates[0] == 2


def test_equal_seeds_give_equal_curves():
    X = blobs(4, 1200)
    first, second = (estimate_n_clusters(X, random_state=7).scores for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_shift_and_scale_do_not_matter():
    X = blobs(4)
    plain, moved = (
        estimate_n_clusters(features, random_state=0) for features in (X, 1000 + 8 * X)
    )
    assert plain.n_clusters == moved.n_clusters == 4


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: rng.normal(size=(1500, 64)),
        lambda rng: rng.normal(size=(300, 20)),
        lambda rng: rng.normal(size=(2000, 20)),
        lambda rng: rng.normal(size=(1000, 256)) / np.arange(1, 257) ** 0.5,
        lambda rng: rng.uniform(size=(1000, 2)),
        lambda rng: rng.standard_t(5, size=(1000, 10)),
    ],
)
def test_noise_is_told(make):
    X = make(np.random.default_rng(0))
    with pytest.warns(ConvergenceWarning, match="No number of clusters stands out"):
        estimate_n_clusters(X, random_state=0)


def test_samples_that_are_all_alike_are_one_cluster():
    with pytest.warns(ConvergenceWarning, match="there is 1 cluster"):
        curve = estimate_n_clusters(np.full((50, 8), 0.1), random_state=0)
    assert (curve.n_clusters, *curve.candidates) == (1, 1)


@pytest.mark.parametrize("n_distinct", [2, 4])
def test_duplicates_are_counted(n_distinct):
    distinct = np.random.default_rng(0).normal(size=(n_distinct, 8))
    X = np.repeat(distinct, 60, axis=0)
    assert estimate_n_clusters(X, random_state=0).n_clusters == n_distinct


def test_one_odd_sample_among_duplicates():
    X = np.zeros((100, 4))
    X[7] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert estimate_n_clusters(X, random_state=0).n_clusters < 10


@pytest.mark.parametrize("n_samples", [20, 37, 100])
def test_few_samples(n_samples):
    X = blobs(2, n_samples, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few tell little
        n_clusters = estimate_n_clusters(X, random_state=0).n_clusters
    assert 2 <= n_clusters <= n_samples // 2


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.eye(5), "20 samples or more; got n_samples=5"),
        (np.ones(30), r"shape \(n, d\)"),
        (np.full((30, 2), np.nan), "finite"),
    ],
)
def test_errors_name_what_is_wrong(features, message):
    with pytest.raises(ValueError, match=message):
        estimate_n_clusters(features)


def test_auto_fits_as_many_clusters_as_it_finds():
    X = blobs(4)
    clusterer = auto().fit(X)
    assert clusterer.n_clusters_ == clusterer.n_clusters_curve_.n_clusters == 4
    assert clusterer.n_clusters == "auto"
    assert clusterer.probabilities_.shape == (600, 4)
    assert clusterer.predict_proba(X[:3]).shape == (3, 4)
    assert clusterer.classes_.tolist() == [0, 1, 2, 3]
    assert (np.bincount(clusterer.labels_) == 150).all()
    assert clusterer.stage_times_["count"] > 0


def test_auto_equals_a_fit_with_the_number():
    X = blobs(3)
    given = auto().set_params(n_clusters=3).fit(X)
    found = auto().fit(X)
    np.testing.assert_array_equal(found.probabilities_, given.probabilities_)
    assert given.n_clusters_curve_ is None
    assert clone(found).fit(X).n_clusters_ == 3


@pytest.mark.filterwarnings("ignore:100% of the samples have an exact copy")
def test_auto_fits_of_odd_features():
    with pytest.raises(ValueError, match="20 samples or more; got n_samples=5"):
        auto().fit(np.eye(5))
    with pytest.warns(ConvergenceWarning, match="there is 1 cluster"):
        clusterer = auto().fit(np.ones((30, 4)))
    assert (clusterer.labels_ == 0).all()
    duplicates = np.repeat(np.eye(3), 40, axis=0)
    assert auto().fit(duplicates).n_clusters_ == 3


def test_auto_needs_no_prior():
    with pytest.raises(ValueError, match="pass their number as n_clusters"):
        auto(cluster_prior=[0.5, 0.5]).fit(blobs(2))


def test_another_word_is_no_number():
    with pytest.raises(ValueError, match="n_clusters must be 'auto' or a number"):
        SCANClusterer("many").fit(blobs(2))
