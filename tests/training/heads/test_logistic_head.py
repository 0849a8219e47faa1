"""Heads by logistic regression: they find clusters again, and leave out empty ones."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from sklearn_scan.training.heads import MergedClusters, logistic_head


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(90, 6, centers=9, random_state=0)
    X = torch.tensor(X, dtype=torch.float32)
    return (X - X.mean(dim=0)) / X.std(dim=0), y


@torch.no_grad()
def probabilities(head, features):
    return head(features)[0].softmax(dim=1)


@pytest.mark.parametrize("n_clusters", [1, 2, 3, 9])
def test_separate_clusters_are_found_again(blobs, n_clusters):
    features, y = blobs
    labels = y % n_clusters if n_clusters < 3 else y // (9 // n_clusters)
    rows = np.isin(y, range(n_clusters))  # of each cluster a group by itself
    features, labels = features[rows], y[rows]
    head = logistic_head(labels, features, n_clusters)
    assert head(features).shape == (1, len(labels), n_clusters)
    assert probabilities(head, features).argmax(dim=1).tolist() == labels.tolist()


@pytest.mark.parametrize("n_samples", [9, 30])
def test_few_samples_of_many_clusters_are_found_again(n_samples):
    """As many clusters as samples, too."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(n_samples, 40, generator=generator)
    labels = np.arange(n_samples) % 9
    found = probabilities(logistic_head(labels, features, 9), features).argmax(dim=1)
    assert found.tolist() == labels.tolist()


def test_the_strength_does_not_depend_on_the_number_of_samples(blobs):
    features, y = blobs
    once = logistic_head(y, features, 9)
    thrice = logistic_head(np.tile(y, 3), features.repeat(3, 1), 9)
    torch.testing.assert_close(
        probabilities(once, features),
        probabilities(thrice, features),
        rtol=0,
        atol=1e-3,
    )


def test_empty_clusters_are_nowhere_probable(blobs):
    features, y = blobs
    head = logistic_head(2 * y, features, 20)
    proba = probabilities(head, torch.cat([features, 100 * features]))
    assert proba.isfinite().all()
    torch.testing.assert_close(proba.sum(dim=1), torch.ones(180))
    empty = [*range(1, 18, 2), 18, 19]
    assert not proba[:, empty].any()
    assert proba[:90].argmax(dim=1).tolist() == (2 * y).tolist()


@pytest.mark.parametrize("n_clusters", [1, 4])
def test_one_cluster_is_certain(blobs, n_clusters):
    features, y = blobs
    head = logistic_head(np.zeros_like(y), features, n_clusters)
    assert (probabilities(head, features)[:, 0] == 1).all()


def test_empty_clusters_may_be_renumbered_and_merged(blobs):
    features, y = blobs
    head = logistic_head(y, features, 11)
    before = probabilities(head, features)
    order = torch.arange(11).flip(0)
    head.reorder(order)
    torch.testing.assert_close(probabilities(head, features), before[:, order])
    groups = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8])  # both empty; two others
    merged = MergedClusters(groups, int(groups.max()) + 1)(head(features))[0].softmax(
        dim=1
    )
    assert merged.isfinite().all()
    assert not merged[:, 0].any()
    torch.testing.assert_close(merged[:, 8], before[:, 0] + before[:, 1])


def test_nothing_is_drawn(blobs):
    features, y = blobs
    first = logistic_head(y, features, 9)
    torch.rand(3)
    second = logistic_head(y, features, 9)
    assert torch.equal(first.weight, second.weight)


def test_small_clusters_are_learnt_where_samples_are_drawn(blobs, monkeypatch):
    monkeypatch.setattr("sklearn_scan.core.sampling.MOST_DRAWN", 60)  # of 91
    features, y = blobs
    features = torch.cat([features, 50 + features[:1]])
    head = logistic_head(np.append(y, 9), features, 10)
    assert probabilities(head, features).argmax(dim=1)[-1] == 9
