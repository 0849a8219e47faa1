"""TEMI's stage on groups that anyone can tell apart."""

import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan.clusterers.stages.teacher import suggest_momentum, train_with_teacher
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import Directions
from sklearn_scan.training.objectives import TemiLoss

N_CLUSTERS, N_HEADS = 4, 2


@pytest.fixture(scope="module")
def blobs():
    samples, labels = make_blobs(120, 8, centers=N_CLUSTERS, random_state=0)
    samples = torch.tensor(samples, dtype=torch.float32)
    features = Directions.from_features(samples)(samples)
    return features, mine_neighbors(features, 10), labels


def train(blobs, objective=None, **settings):
    features, neighbors, _ = blobs
    defaults = {
        "temperature": 0.1,
        "n_epochs": 8,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "teacher_momentum": 0.9,
        "seed": 0,
    }
    objective = objective or TemiLoss(N_HEADS, N_CLUSTERS)
    torch.manual_seed(0)  # of the axes
    return train_with_teacher(features, neighbors, objective, **defaults | settings)


@pytest.fixture(scope="module")
def trained(blobs):
    return train(blobs, n_epochs=20)


def test_separated_groups_are_found(blobs, trained):
    features, _, labels = blobs
    clusters = trained.heads(features)[trained.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


def test_training_lowers_the_loss(trained):
    assert [entry["epoch"] for entry in trained.history] == list(range(1, 21))
    assert trained.history[-1]["loss"] < trained.history[0]["loss"] - 0.5
    assert {entry["stage"] for entry in trained.history} == {"TEMI"}


def test_losses_are_those_of_the_teachers(blobs):
    features, neighbors, _ = blobs
    objective = TemiLoss(N_HEADS, N_CLUSTERS)
    trained = train(blobs, objective)
    logits = trained.heads(features)
    expected = [
        objective.losses(torch.cat([logits, logits[:, column]] * 2, dim=1), None)
        for column in torch.from_numpy(neighbors.indices).T
    ]
    mean = torch.stack([terms["information"] for terms in expected]).mean(dim=0)
    # over some of the neighbours, and over all of them
    torch.testing.assert_close(trained.losses, mean.detach(), rtol=0, atol=0.02)


def test_a_teacher_lags_behind_its_student_by_its_momentum(blobs):
    features, _, _ = blobs
    still = train(blobs, teacher_momentum=1 - 1e-9)
    follower = train(blobs, teacher_momentum=0.0)
    first = train(blobs, n_epochs=1, learning_rate=1e-9).heads(features)
    distance_still = (still.heads(features) - first).abs().max()
    distance_follower = (follower.heads(features) - first).abs().max()
    assert 3 * distance_still < distance_follower


def test_one_seed_gives_the_same_heads_to_the_bit(blobs):
    first, again = (train(blobs, seed=1, n_epochs=2) for _ in range(2))
    other = train(blobs, seed=2, n_epochs=2)
    assert torch.equal(first.heads(blobs[0]), again.heads(blobs[0]))
    assert torch.equal(first.losses, again.losses)
    assert first.history == again.history
    assert not torch.equal(first.losses, other.losses)


def test_many_features_are_seen_along_their_main_axes(blobs):
    """What lies off the axes is noise, and the heads see all features again."""
    features, neighbors, labels = blobs
    wide = torch.cat([features, 0.01 * torch.randn(len(features), 300)], dim=1)
    trained = train((wide, neighbors, labels), n_epochs=20)
    clusters = trained.heads(wide)[trained.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


def test_divergence_leaves_the_last_good_epoch(blobs):
    class Broken(TemiLoss):
        n_calls = 0

        def value_and_gradient(self, outputs, targets):
            self.n_calls += 1
            factor = torch.nan if self.n_calls > 16 else 1  # 8 batches an epoch
            return super().value_and_gradient(factor * outputs, targets)

    objective = Broken(N_HEADS, N_CLUSTERS)
    with pytest.warns(ConvergenceWarning, match="epoch 3 of the TEMI stage"):
        trained = train(blobs, objective)
    assert len(trained.history) == 2
    assert trained.losses.isfinite().all()
    assert trained.heads(blobs[0]).isfinite().all()
    assert objective.marginal.isfinite().all()


@pytest.mark.parametrize(("n_steps", "momentum"), [(1, 0.9), (10**6, 0.996)])
def test_suggested_momenta_have_bounds(n_steps, momentum):
    assert suggest_momentum(n_steps) == momentum


def test_longer_training_has_a_slower_teacher():
    assert 0.9 < suggest_momentum(2000) < suggest_momentum(4000) < 0.996
