"""The model of a fit: probabilities in any batch, numbering and merging."""

import numpy as np
import pytest
import torch

from sklearn_scan.core.features import Features
from sklearn_scan.results.model import ClusterModel
from sklearn_scan.training.heads import ClusterHeads, Standardize


@pytest.fixture
def model():
    scaler = Standardize(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 2.0]))
    heads = ClusterHeads(2, 4, 1, generator=torch.Generator().manual_seed(0))
    return ClusterModel.of(scaler, heads)


@pytest.fixture
def features():
    return Features.of(np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32))


def by_hand(model, features):
    heads = model.module[1]
    scaled = (features.array.astype(float) - [1, 2]) / [0.5, 2]
    logits = scaled @ heads.weight.detach().numpy().T + heads.bias.detach().numpy()
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def test_probabilities_are_a_softmax_of_scaled_features(model, features):
    probabilities = model.probabilities(features)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities, by_hand(model, features), rtol=1e-6)


def test_a_row_does_not_depend_on_its_batch(model, features):
    alone = [model.probabilities(Features.of(row[None])) for row in features.array]
    np.testing.assert_array_equal(np.concatenate(alone), model.probabilities(features))


def test_unreadable_rows_are_of_no_cluster(model, features):
    features.array[3] = np.nan
    assert np.isnan(model.probabilities(features)[3]).all()
    labels = model.labels(features)
    assert labels[3] == -1
    assert (np.delete(labels, 3) >= 0).all()


def test_clusters_are_numbered_by_size(model, features):
    sorted_model, order = model.by_size(features)
    sizes = np.bincount(sorted_model.labels(features), minlength=4)
    assert (np.diff(sizes) <= 0).all()
    np.testing.assert_allclose(
        sorted_model.probabilities(features), model.probabilities(features)[:, order]
    )


def test_merged_probabilities_are_sums_once_and_twice(model, features):
    p = model.probabilities(features)
    once = model.merge(np.array([0, 1, 0, 2]), 3)
    assert once.n_clusters == 3
    expected = np.stack([p[:, 0] + p[:, 2], p[:, 1], p[:, 3]], axis=1)
    np.testing.assert_allclose(once.probabilities(features), expected, rtol=1e-9)
    twice = once.merge(np.array([0, 0, 1]), 2)
    assert twice.n_clusters == 2
    both = np.stack([p[:, :3].sum(axis=1), p[:, 3]], axis=1)
    np.testing.assert_allclose(twice.probabilities(features), both, rtol=1e-9)
    np.testing.assert_allclose(model.probabilities(features), p)  # left as it was


def test_merging_nothing_keeps_the_model(model, features):
    same = model.merge(np.arange(4), 4)
    np.testing.assert_array_equal(
        same.probabilities(features), model.probabilities(features)
    )
