"""The first stage on groups that anyone can tell apart."""

import pytest
import torch
from sklearn.datasets import make_blobs

from sklearn_scan.clustering import TrainedHeads, suggest_learning_rate, train_heads
from sklearn_scan.heads import Standardize
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.objectives import ScanLoss

CENTERS = [[10, 0, 0, 0], [0, 10, 0, 0], [0, 0, 10, 0], [0, 0, 0, 10]]


@pytest.fixture(scope="module")
def blobs():
    samples, labels = make_blobs(n_samples=160, centers=CENTERS, random_state=0)
    samples = torch.tensor(samples, dtype=torch.float32)
    features = Standardize.from_features(samples)(samples)
    return features, mine_neighbors(features, 8), labels


def train(blobs, seed=0, n_epochs=3, **settings):
    features, neighbors, _ = blobs
    defaults = {"n_clusters": 4, "n_heads": 3, "batch_size": 40, "learning_rate": 0.05}
    return train_heads(
        features,
        neighbors,
        ScanLoss(),
        n_epochs=n_epochs,
        seed=seed,
        **(defaults | settings),
    )


@pytest.fixture(scope="module")
def trained(blobs):
    return train(blobs, n_epochs=30)


def test_separated_groups_are_found(blobs, trained):
    features, _, labels = blobs
    clusters = trained.heads(features)[trained.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


def test_training_lowers_the_loss(trained):
    losses = [entry["loss"] for entry in trained.history]
    assert len(losses) == 30
    assert losses[-1] < losses[0]
    assert {entry["stage"] for entry in trained.history} == {"SCAN"}


def test_losses_are_those_of_the_trained_heads(blobs, trained):
    features, neighbors, _ = blobs
    logits = trained.heads(features)
    columns = torch.from_numpy(neighbors.indices).T
    terms = [ScanLoss()(logits, logits[:, column]) for column in columns]
    expected = torch.stack([sum(term.values()) for term in terms]).mean(dim=0)
    # over some of the neighbours, and over all of them
    torch.testing.assert_close(trained.losses, expected.detach(), rtol=0, atol=0.05)


def test_best_head_has_the_lowest_loss(trained):
    assert trained.losses[trained.best_head] == trained.losses.min()
    losses = torch.tensor([2.0, -1.0, 3.0])
    assert TrainedHeads(trained.heads, losses, []).best_head == 1


def test_one_seed_gives_the_same_heads_to_the_bit(blobs):
    first = train(blobs, seed=1)
    torch.manual_seed(99)  # the global state has no say
    again = train(blobs, seed=1)
    assert torch.equal(first.heads.weight, again.heads.weight)
    assert torch.equal(first.heads.bias, again.heads.bias)
    assert torch.equal(first.losses, again.losses)
    assert first.history == again.history


def test_another_seed_gives_other_heads(blobs):
    first, other = train(blobs, seed=1), train(blobs, seed=2)
    assert not torch.equal(first.heads.weight, other.heads.weight)


def test_heads_differ_from_each_other(trained):
    weights = trained.heads.weight.unflatten(0, (3, 4))
    assert not torch.allclose(weights[0], weights[1])


@pytest.mark.parametrize(
    ("few", "many"), [((10, 100), (10, 1000)), ((10, 100), (100, 100))]
)
def test_more_steps_or_features_need_no_higher_rate(few, many):
    assert 0.1 >= suggest_learning_rate(*few) > suggest_learning_rate(*many) >= 1e-3


@pytest.mark.parametrize(("size", "rate"), [((1, 1), 0.1), ((10**4, 10**4), 1e-3)])
def test_suggested_rates_have_bounds(size, rate):
    assert suggest_learning_rate(*size) == rate
