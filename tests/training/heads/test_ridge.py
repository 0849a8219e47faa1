"""Heads in closed form against scikit-learn's ridge regression."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.linear_model import Ridge

from sklearn_scan.training.heads import (
    count_shares,
    fit_heads_to,
    label_all,
    linear_generalization,
    start_heads_at,
)

N_SAMPLES, N_CLUSTERS = 81, 4
SCALE = 8 + math.log(N_CLUSTERS)  # of logits


@pytest.fixture(scope="module")
def features():
    X, _ = make_blobs(N_SAMPLES, 6, centers=5, cluster_std=5.0, random_state=0)
    X = torch.tensor(X, dtype=torch.float32)
    return (X - X.mean(dim=0)) / X.std()


@pytest.fixture(scope="module")
def partitions(features):
    """Three partitions, of which the last leaves a cluster empty."""
    linear = (features @ torch.randn(6, N_CLUSTERS, generator=seeded())).argmax(dim=1)
    drawn = torch.randint(N_CLUSTERS, (N_SAMPLES,), generator=seeded())
    return torch.stack([linear, drawn, drawn.clamp_max(N_CLUSTERS - 2)])


def seeded():
    return torch.Generator().manual_seed(0)


def slow_logits(partition, features, asked):
    """Return the logits, unscaled, of heads fitted to the partition."""
    one_hot = np.eye(N_CLUSTERS)[partition.numpy()]
    ridge = Ridge(alpha=0.1 * len(features), fit_intercept=False)
    ridge.fit(features.double().numpy(), one_hot)
    shares = one_hot.mean(axis=0)
    return ridge.predict(asked.double().numpy()) + shares - 1 / N_CLUSTERS


def test_heads_are_ridge_regressions(features, partitions):
    heads = fit_heads_to(partitions, features, N_CLUSTERS)
    logits = heads(features).detach().numpy()
    expected = [slow_logits(each, features, features) for each in partitions]
    np.testing.assert_allclose(logits, SCALE * np.stack(expected), atol=1e-4)


def slow_start(partition, features):
    """Return the logits, unscaled, of heads that start at the partition."""
    X, labels = features.double().numpy(), partition.numpy()
    inverse = np.linalg.inv(X.T @ X / len(X) + 0.1 * np.eye(X.shape[1]))
    logits = []
    for cluster in np.unique(labels):
        mean = X[labels == cluster].mean(axis=0)
        logits.append((X - mean / 2) @ inverse @ mean / N_CLUSTERS)
    return np.stack(logits, axis=1)


def test_starting_heads_equal_the_slow_reference(features, partitions):
    logits = start_heads_at(partitions, features, N_CLUSTERS)(features)
    for found, partition in zip(logits.detach().numpy(), partitions, strict=True):
        expected = SCALE * slow_start(partition, features)
        np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=1e-4)


def test_small_clusters_are_begun_with_where_features_are_few():
    """Regression loses them: no sample is most probably in one."""
    y = np.repeat(np.arange(20), np.geomspace(10, 150, 20).astype(int))
    rng = np.random.default_rng(0)
    X = 1.5 * rng.normal(size=(20, 8))[y] + 0.3 * rng.normal(size=(len(y), 8))
    X = torch.tensor((X - X.mean(axis=0)) / X.std(), dtype=torch.float32)
    labels = torch.from_numpy(y)[None]
    started = label_all(start_heads_at(labels, X, 20), X)
    assert (started == labels).float().mean() > 0.95
    assert len(started.unique()) == 20
    regressed = label_all(fit_heads_to(labels, X, 20), X)
    assert len(regressed.unique()) < 15


def test_empty_clusters_are_not_begun_with(features, partitions):
    started = label_all(start_heads_at(partitions, features, N_CLUSTERS + 3), features)
    assert started.max() < N_CLUSTERS
    assert started[2].max() < N_CLUSTERS - 1


def test_features_are_left_as_they_were(features, partitions):
    before = features.clone()
    fit_heads_to(partitions, features, N_CLUSTERS)
    linear_generalization(partitions, features)
    assert torch.equal(features, before)


def test_more_features_than_samples():
    wide = torch.randn(10, 50, generator=seeded())
    labels = torch.arange(10)[None] % 3
    heads = fit_heads_to(labels, wide, 3)
    assert torch.equal(label_all(heads, wide), labels)


def test_shares_count_empty_clusters(partitions):
    shares = count_shares(partitions, N_CLUSTERS)
    counts = [np.bincount(each, minlength=N_CLUSTERS) for each in partitions.numpy()]
    np.testing.assert_allclose(shares, np.array(counts) / N_SAMPLES, rtol=1e-6)
    assert shares[2, -1] == 0


def test_labels_are_the_most_probable_clusters(features, partitions):
    heads = fit_heads_to(partitions, features, N_CLUSTERS)
    assert torch.equal(label_all(heads, features), heads(features).argmax(dim=2))


@pytest.mark.parametrize("n_samples", [2, 3, 80, 81])
def test_generalization_equals_the_slow_reference(n_samples, features, partitions):
    X, labels = features[:n_samples], partitions[:, :n_samples]
    order = torch.randperm(n_samples, generator=seeded())
    halves = order.tensor_split(2)
    expected = []
    for each in labels:
        n_found = 0
        for learnt, asked in (halves, halves[::-1]):
            logits = slow_logits(each[learnt], X[learnt], X[asked])
            n_found += (logits.argmax(axis=1) == each[asked].numpy()).sum()
        expected.append(n_found / n_samples)
    found = linear_generalization(labels, X)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_linear_clusters_generalize_and_drawn_ones_do_not(features, partitions):
    linear, drawn, _ = linear_generalization(partitions, features)
    assert linear > 0.7
    assert drawn < 0.4


def test_one_sample_and_one_cluster_have_nothing_to_find():
    none = linear_generalization(torch.zeros(2, 1, dtype=torch.int64), torch.ones(1, 3))
    one = linear_generalization(torch.zeros(2, 9, dtype=torch.int64), torch.ones(9, 3))
    assert none.tolist() == one.tolist() == [1, 1]


def test_constant_features_find_the_largest_cluster():
    labels = torch.tensor([[0] * 30 + [1] * 10])
    found = linear_generalization(labels, torch.zeros(40, 3))
    assert found.item() == pytest.approx(0.75)
