"""Calibrated probabilities: about as sure as right, in each form of the model."""

import copy
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sklearn_scan import (
    JULEClusterer,
    SCANClusterer,
    TEMIClusterer,
    load,
    relabel,
    save,
)
from sklearn_scan.metrics import match_clusters
from sklearn_scan.results.relabeling import Edits

X, Y = (each[:900] for each in load_digits(return_X_y=True))
HARD = X[:, :24]  # the upper three rows of pixels, which tell half of the digits


def right_ones(clusterer):
    y = Y[: len(clusterer.labels_)]
    class_of = match_clusters(y, clusterer.labels_)
    return np.array([class_of.get(c, -1) for c in clusterer.labels_]) == y


def calibration_error(confidence, right, n_bins=15):
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=confidence - right, minlength=n_bins)
    return np.abs(gaps).sum() / len(right)


def as_trained(clusterer):
    """Return the clusterer with the probabilities of its head."""
    before = copy.copy(clusterer)
    before.module_ = clusterer.module_[:2]
    return before


@pytest.fixture(scope="module")
def fitted():
    return SCANClusterer(10, random_state=0).fit(X)


@pytest.fixture(scope="module")
def unsure():
    return SCANClusterer(10, random_state=0).fit(HARD)


@pytest.mark.parametrize("name", ["fitted", "unsure"])
def test_confidence_is_near_the_share_that_is_right(name, request):
    clusterer = request.getfixturevalue(name)
    confidence, right = clusterer.probabilities_.max(axis=1), right_ones(clusterer)
    assert abs(clusterer.quality_.expected_accuracy - right.mean()) < 0.3
    assert calibration_error(confidence, right) < 0.3


def test_hard_samples_are_less_sure_than_their_head(unsure):
    right = right_ones(unsure)
    head = as_trained(unsure).predict_proba(HARD).max(axis=1)
    calibrated = unsure.probabilities_.max(axis=1)
    assert calibration_error(calibrated, right) < calibration_error(head, right) - 0.1


def test_the_mean_confidence_is_the_accuracy_expected(unsure):
    mean = unsure.probabilities_.max(axis=1).mean()
    assert mean == pytest.approx(unsure.quality_.expected_accuracy, abs=1e-3)


def test_labels_and_the_order_of_samples_are_those_of_the_head(unsure):
    head = as_trained(unsure).predict_proba(HARD)
    calibrated = unsure.probabilities_
    np.testing.assert_array_equal(head.argmax(axis=1), unsure.labels_)
    order = np.argsort(head.max(axis=1))
    assert (np.diff(calibrated.max(axis=1)[order]) >= -1e-12).all()


def test_new_samples_are_calibrated_alike(unsure):
    np.testing.assert_array_equal(unsure.predict_proba(HARD), unsure.probabilities_)
    assert unsure.predict_proba(HARD[:1]).sum() == pytest.approx(1)


def test_confident_samples_are_those_above_the_threshold(fitted):
    confidence = fitted.probabilities_.max(axis=1)
    np.testing.assert_array_equal(fitted.confident_, confidence > 0.99)


def test_saved_models_are_calibrated(unsure, tmp_path):
    save(unsure, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.quality_ == unsure.quality_
    np.testing.assert_array_equal(loaded.predict_proba(HARD), unsure.probabilities_)


def test_networks_are_calibrated(unsure):
    rows = torch.from_numpy(HARD.astype(np.float32))
    given = unsure.to_torch()(rows).detach().numpy()
    np.testing.assert_allclose(given, unsure.probabilities_, atol=1e-4)


def test_merged_clusters_have_the_sum_of_calibrated_probabilities(unsure):
    merged = relabel(unsure, Edits(merged={9: 0, 8: 0}))
    parts = unsure.probabilities_
    sums = np.column_stack([parts[:, [0, 8, 9]].sum(axis=1), parts[:, 1:8]])
    np.testing.assert_allclose(merged.probabilities_, sums, rtol=1e-9)


@pytest.mark.parametrize("kind", [TEMIClusterer, JULEClusterer])
def test_all_clusterers_are_calibrated(kind):
    clusterer = kind(10, max_epochs=5, random_state=0).fit(X[:400])
    right = right_ones(clusterer)
    assert abs(clusterer.quality_.expected_accuracy - right.mean()) < 0.3
    mean = clusterer.probabilities_.max(axis=1).mean()
    assert mean < clusterer.quality_.expected_accuracy + 1e-3


@pytest.mark.parametrize("kind", [SCANClusterer, TEMIClusterer, JULEClusterer])
@pytest.mark.parametrize(("n_samples", "n_clusters"), [(12, 1), (2, 2), (3, 2), (7, 7)])
def test_one_cluster_and_few_samples(kind, n_samples, n_clusters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so few samples find little
        clusterer = kind(n_clusters, max_epochs=2, random_state=0).fit(X[:n_samples])
    assert np.isnan(clusterer.quality_.expected_accuracy) == (n_clusters == 1)
    np.testing.assert_allclose(clusterer.probabilities_.sum(axis=1), 1)
