"""TEMIClusterer, as its users meet it; what it shares is tested with SCANClusterer."""

import pickle
import warnings

import numpy as np
import pytest
import torch
from color_helpers import three_colors
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, TEMIClusterer
from sklearn_scan.metrics import clustering_accuracy


def fast(**parameters):
    """Return a clusterer of three clusters that fits in a fraction of a second."""
    settings = {
        "n_clusters": 3,
        "n_neighbors": 8,
        "n_heads": 2,
        "batch_size": 32,
        "max_epochs": 15,
        "random_state": 0,
    }
    return TEMIClusterer(**settings | parameters)


def tiny_encoder():
    def mean_colors():
        return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())

    return ImageEncoder(mean_colors, input_size=8, mean=0.5, std=0.5)


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(120, 16, centers=3, cluster_std=1.0, random_state=0)


@pytest.fixture(scope="module")
def fitted(blobs):
    return fast().fit(blobs[0])


def test_digits_are_clustered_better_than_by_k_means():
    X, y = load_digits(return_X_y=True)
    clusterer = TEMIClusterer(random_state=0).fit(X)
    assert clusterer.score(X, y) > 0.85  # k-means comes to 0.79


def test_fitted_attributes(fitted, blobs):
    _, y = blobs
    assert clustering_accuracy(y, fitted.labels_) == 1
    assert fitted.labels_.shape == (120,)
    assert fitted.probabilities_.shape == (120, 3)
    np.testing.assert_allclose(fitted.probabilities_.sum(axis=1), 1)
    assert fitted.neighbors_.indices.shape == (120, 8)
    assert fitted.head_losses_.shape == (2,)
    assert fitted.head_scores_.shape == (2,)
    assert fitted.best_head_ == fitted.head_scores_.argmax()
    assert [epoch["stage"] for epoch in fitted.history_] == ["TEMI"] * 15
    assert not fitted.self_labeled_
    assert fitted.n_features_in_ == 16
    logits = fitted.module_(torch.from_numpy(fitted.embedding_))
    assert logits.shape == (1, 120, 3)


def test_predict_agrees_with_fit(fitted, blobs):
    X, _ = blobs
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)
    np.testing.assert_allclose(
        fitted.predict_proba(X[3:9]), fitted.probabilities_[3:9], rtol=1e-9
    )
    np.testing.assert_array_equal(fitted.transform(X), fitted.embedding_)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict_proba(X), fitted.probabilities_)


def test_one_seed_one_fit(fitted, blobs):
    X, y = blobs
    torch.manual_seed(99)  # the global state has no say
    again, other = clone(fitted).fit(X, y), fast(random_state=1).fit(X)
    np.testing.assert_array_equal(again.probabilities_, fitted.probabilities_)
    assert again.history_ == fitted.history_
    assert other.history_ != fitted.history_


def test_a_lower_temperature_starts_more_confident(blobs):
    still = {"max_epochs": 1, "learning_rate": 1e-9}
    warm, cold = (fast(temperature=t, **still).fit(blobs[0]) for t in (1.0, 0.1))
    confidences = [each.probabilities_.max(axis=1).mean() for each in (warm, cold)]
    assert confidences[0] < confidences[1] - 0.1
    np.testing.assert_array_equal(warm.labels_, cold.labels_)


def test_the_head_that_is_kept_has_a_score_no_higher_than_its_labels(blobs):
    """Agreement with the other heads is at most one, and one for a single head."""
    X, _ = blobs
    alone, among = (fast(n_heads=n).fit(X) for n in (1, 4))
    assert alone.head_scores_.max() == pytest.approx(alone.score(X), abs=0.01)
    assert among.head_scores_.max() <= among.score(X) + 0.01


def test_images_through_an_encoder():
    images, y = three_colors()
    clusterer = fast(encoder=tiny_encoder()).fit(images)
    assert clusterer.score(images, y) == 1
    np.testing.assert_array_equal(clusterer.predict(images), clusterer.labels_)


def test_confident_samples_may_teach_in_a_second_stage(blobs):
    X, y = blobs
    clusterer = fast(self_label_epochs=3, confidence_threshold=0.9).fit(X)
    assert clusterer.self_labeled_
    assert clusterer.score(X, y) == 1
    assert [epoch["stage"] for epoch in clusterer.history_][15:] == [
        "self-labelling"
    ] * 3


def test_features_may_have_any_scale_and_place(blobs, fitted):
    X, _ = blobs
    moved = fast().fit(1000 * X + 1e4)
    assert clustering_accuracy(fitted.labels_, moved.labels_) == 1


def test_shares_scans_parameters_but_for_its_own():
    scan, temi = SCANClusterer().get_params(), TEMIClusterer().get_params()
    assert set(temi) - set(scan) == {"beta", "temperature", "teacher_momentum"}
    own = {"entropy_weight", "cluster_prior", "finetune", "strong_views", "ema_decay"}
    assert set(scan) - set(temi) == own | {"self_labeling"}


@pytest.mark.parametrize("n_clusters", [1, 20])
def test_few_and_many_clusters(n_clusters, blobs):
    clusterer = fast(n_clusters=n_clusters, max_epochs=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of unused clusters
        clusterer.fit(blobs[0])
    assert np.isfinite(clusterer.probabilities_).all()
    assert clusterer.predict_proba(blobs[0]).shape == (120, n_clusters)


@pytest.mark.parametrize(
    "X",
    [np.zeros((40, 4)), np.full((40, 4), 1e6), np.repeat(np.eye(2), 20, axis=0)],
    ids=["zeros", "large", "duplicates"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_degenerate_features_do_not_crash(X):
    clusterer = fast(max_epochs=3).fit(X)
    assert np.isfinite(clusterer.probabilities_).all()


def test_empty_clusters_are_named_with_what_may_help():
    X = np.repeat(np.eye(4), 10, axis=0)
    with pytest.warns(ConvergenceWarning, match=r"of 12 are empty\. Try .* beta, more"):
        fast(n_clusters=12).fit(X)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1; got 0"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors must be at least 1; got 0"),
        ({"n_heads": 0}, ValueError, "n_heads must be .*; got 0"),
        ({"beta": 0.0}, ValueError, "beta must be .*; got 0.0"),
        ({"beta": 1.5}, ValueError, "beta must be .*; got 1.5"),
        ({"beta": "auto"}, TypeError, "beta must be a number; got"),
        ({"temperature": 0}, ValueError, "temperature must be .*; got 0"),
        ({"temperature": np.nan}, ValueError, "temperature must be finite"),
        ({"teacher_momentum": 1.0}, ValueError, "teacher_momentum must be .*; got 1.0"),
        ({"teacher_momentum": "slow"}, ValueError, "must be 'auto' or a number"),
        ({"max_epochs": 0}, ValueError, "max_epochs must be .*; got 0"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be .*; got -1"),
        ({"batch_size": 0}, ValueError, "batch_size must be .*; got 0"),
        ({"self_label_epochs": "few"}, ValueError, "self_label_epochs must be 'auto'"),
    ],
)
def test_wrong_parameters(parameters, error, message, blobs):
    with pytest.raises(error, match=message):
        fast(**parameters).fit(blobs[0])
