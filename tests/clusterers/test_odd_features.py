"""Features that hold nothing to cluster: an error or a warning, and no crash.

Whatever warning comes is one that tells of it: pytest makes errors of all others.
"""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan import JULEClusterer, SCANClusterer, TEMIClusterer

DISTINCT = np.random.default_rng(0).normal(size=(40, 6))

ODD = {
    "zeros": np.zeros((40, 6)),
    "constant": np.full((40, 6), 0.1),
    "large constant": np.full((40, 6), 1e6),
    "many constant": np.full((40, 300), 0.1),
    "two points": np.repeat(DISTINCT[:2], 20, axis=0),
    "two points of many features": np.repeat(DISTINCT[:2], [50] * 6, axis=1)[
        np.arange(40) % 2
    ],
    "three points": np.repeat(DISTINCT[:3], [20, 15, 5], axis=0),
    "one apart": np.r_[np.zeros((39, 6)), np.ones((1, 6))],
    "one feature": DISTINCT[:, :1],
    "one that varies": np.c_[np.ones((40, 5)), DISTINCT[:, 0]],
    "tiny": 1e-30 * DISTINCT,
    "huge": 1e15 * DISTINCT,
}


def scan(n_clusters, **parameters):
    settings = {"n_neighbors": 5, "n_heads": 7, "max_epochs": 3, "random_state": 0}
    return SCANClusterer(n_clusters, self_label_epochs=2, **settings | parameters)


def temi(n_clusters, **parameters):
    settings = {"n_neighbors": 5, "n_heads": 2, "max_epochs": 3, "random_state": 0}
    return TEMIClusterer(n_clusters, self_label_epochs=2, **settings | parameters)


def jule(n_clusters, **parameters):
    settings = {"n_neighbors": 5, "max_epochs": 3, "random_state": 0}
    return JULEClusterer(n_clusters, self_label_epochs=2, **settings | parameters)


def fit_odd(clusterer, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clusterer.fit(X)


@pytest.mark.parametrize("make", [scan, temi, jule])
@pytest.mark.parametrize("n_clusters", [1, 2, 5, 40, "auto"])
@pytest.mark.parametrize("name", ODD)
def test_odd_features_are_clustered_somehow(name, n_clusters, make):
    X = ODD[name]
    clusterer = fit_odd(make(n_clusters), X)
    assert clusterer.labels_.shape == (40,)
    np.testing.assert_allclose(clusterer.probabilities_.sum(axis=1), 1)
    assert 0 <= clusterer.labels_.min() <= clusterer.labels_.max()
    assert clusterer.labels_.max() < clusterer.n_clusters_
    assert np.isfinite(clusterer.head_losses_).all()
    np.testing.assert_array_equal(clusterer.predict(X), clusterer.labels_)
    assert np.isfinite(clusterer.score(X))


@pytest.mark.parametrize("prior", ["auto", [0.5, 0.3, 0.1, 0.06, 0.04]])
@pytest.mark.parametrize("name", ["constant", "two points", "one apart"])
def test_priors_of_odd_features(name, prior):
    clusterer = fit_odd(scan(5, cluster_prior=prior), ODD[name])
    assert np.isfinite(clusterer.probabilities_).all()
    assert np.isfinite(clusterer.head_losses_).all()


@pytest.mark.parametrize("make", [scan, temi, jule])
def test_five_samples_are_too_few_to_count_clusters_of(make):
    with pytest.raises(ValueError, match="20 samples or more; got n_samples=5"):
        make("auto").fit(DISTINCT[:5])


@pytest.mark.filterwarnings("ignore:100% of the samples have an exact copy")
@pytest.mark.parametrize("make", [scan, temi, jule])
def test_auto_tells_that_all_samples_are_alike(make):
    with pytest.warns(ConvergenceWarning, match="there is 1 cluster"):
        clusterer = make("auto").fit(ODD["constant"])
    assert clusterer.n_clusters_ == 1


@pytest.mark.parametrize("make", [scan, temi])
@pytest.mark.parametrize("shape", [(300, 20), (2000, 20), (1000, 2), (200, 3)])
def test_auto_on_noise_warns_and_leaves_no_empty_cluster(shape, make):
    rng = np.random.default_rng(0)
    X = rng.uniform(size=shape) if shape[1] == 2 else rng.normal(size=shape)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clusterer = make("auto").fit(X)
    messages = [str(warning.message) for warning in caught]
    assert any(m.startswith("No number of clusters stands out") for m in messages)
    used = np.unique(clusterer.labels_)
    np.testing.assert_array_equal(used, np.arange(clusterer.n_clusters_))


@pytest.mark.parametrize("make", [scan, temi, jule])
@pytest.mark.parametrize("n_samples", [2, 3, 5, 19])
@pytest.mark.filterwarnings("ignore:n_neighbors=5 was lowered:UserWarning")
def test_few_samples(n_samples, make):
    for n_clusters in {1, 2, n_samples}:
        clusterer = fit_odd(make(n_clusters), DISTINCT[:n_samples])
        assert clusterer.labels_.shape == (n_samples,)
        assert np.isfinite(clusterer.probabilities_).all()


@pytest.mark.parametrize("name", ["constant", "two points", "one apart"])
def test_clusters_that_stay_empty_are_told(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scan(5, max_epochs=20).fit(ODD[name])
    messages = [str(each.message) for each in caught]
    assert all(each.category is ConvergenceWarning for each in caught)
    assert any("of 5 are empty. Try" in message for message in messages)


@pytest.mark.parametrize("make", [scan, temi, jule])
def test_repeated_points_are_told_apart(make):
    clusterer = make(2, max_epochs=20)
    labels = fit_odd(clusterer, ODD["two points"]).labels_
    assert labels.tolist() == [labels[0]] * 20 + [1 - labels[0]] * 20
