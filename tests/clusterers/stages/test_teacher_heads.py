"""TEMI's stage on groups that anyone can tell apart."""

import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from stage_helpers import run_stage

from sklearn_scan.clusterers.defaults import suggest_momentum
from sklearn_scan.clusterers.stages import TeacherHeads, teacher_heads
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import score_heads
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


def train(blobs, **settings):
    """Return what is found, and the history."""
    features, neighbors, _ = blobs
    defaults = {
        "n_clusters": N_CLUSTERS,
        "n_heads": N_HEADS,
        "n_pairs": 10,
        "beta": 0.6,
        "temperature": 0.1,
        "n_epochs": 8,
        "batch_size": 16,
        "learning_rate": 3e-3,
        "teacher_momentum": 0.9,
        "seed": 0,
    }
    trunk = FeatureTrunk(features)
    return run_stage(TeacherHeads, trunk, neighbors, **defaults | settings)


@pytest.fixture(scope="module")
def trained(blobs):
    return train(blobs, n_epochs=20)


def test_separated_groups_are_found(blobs, trained):
    features, _, labels = blobs
    trained, _ = trained
    clusters = trained.heads(features)[trained.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


def test_training_lowers_the_loss(blobs):
    _, history = train(blobs, temperature=2.0, n_epochs=20)  # that begins unsure
    assert [entry["epoch"] for entry in history] == list(range(1, 21))
    assert history[-1]["loss"] < history[0]["loss"] - 0.5
    assert {entry["stage"] for entry in history} == {"TEMI"}


@pytest.fixture
def objectives(monkeypatch):
    """The losses that stages make, as they are made."""
    made = []

    def make(*sizes):
        made.append(TemiLoss(*sizes))
        return made[-1]

    monkeypatch.setattr(f"{teacher_heads.__name__}.TemiLoss", make)
    return made


def test_losses_are_those_of_the_teachers(blobs, objectives):
    features, neighbors, _ = blobs
    trained, _ = train(blobs)
    (objective,) = objectives
    logits = trained.heads(features)
    expected = [
        objective.losses((logits, logits[:, column]) * 2, None)
        for column in torch.from_numpy(neighbors.indices).T
    ]
    mean = torch.stack([terms["information"] for terms in expected]).mean(dim=0)
    # over some of the neighbours, and over all of them
    torch.testing.assert_close(trained.losses, mean.detach(), rtol=0, atol=0.02)


def test_a_teacher_lags_behind_its_student_by_its_momentum(blobs):
    features, _, _ = blobs
    still, _ = train(blobs, teacher_momentum=1 - 1e-9)
    follower, _ = train(blobs, teacher_momentum=0.0)
    first = train(blobs, n_epochs=1, learning_rate=1e-9)[0].heads(features)
    distance_still = (still.heads(features) - first).abs().max()
    distance_follower = (follower.heads(features) - first).abs().max()
    assert 3 * distance_still < distance_follower


def test_one_seed_gives_the_same_heads_to_the_bit(blobs):
    (first, history), (again, same) = (
        train(blobs, seed=1, n_epochs=2) for _ in range(2)
    )
    other, _ = train(blobs, seed=2, n_epochs=2)
    assert torch.equal(first.heads(blobs[0]), again.heads(blobs[0]))
    assert torch.equal(first.losses, again.losses)
    assert history == same
    assert not torch.equal(first.losses, other.losses)


def test_heads_start_from_partitions(blobs):
    features, _, labels = blobs
    started, _ = train(blobs, n_epochs=1, learning_rate=1e-9)
    clusters = started.heads(features)[started.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


def test_a_beta_above_a_half_makes_sizes_more_alike_if_lower():
    samples, _ = make_blobs([120, 40, 20], 8, cluster_std=6.0, random_state=0)
    samples = torch.tensor(samples, dtype=torch.float32)
    features = Directions.from_features(samples)(samples)
    groups = features, mine_neighbors(features, 10), None
    largest = []
    for beta in (0.55, 1.0):
        settings = {"n_clusters": 3, "n_heads": 1, "beta": beta, "n_epochs": 30}
        trained, _ = train(groups, **settings)
        clusters = trained.heads(features)[0].argmax(dim=1)
        largest.append(clusters.bincount(minlength=3).max())
    assert largest[0] < largest[1]


def test_scores_are_those_of_the_heads(blobs):
    features, neighbors, _ = blobs
    trained, _ = train(blobs, n_heads=3, n_clusters=7)
    expected = score_heads(trained.heads, features, neighbors)
    torch.testing.assert_close(trained.scores, expected, rtol=0, atol=0.01)
    assert trained.best_head == trained.scores.argmax()


def test_many_features_are_seen_along_their_main_axes(blobs):
    """What lies off the axes is noise, and the heads see all features again."""
    features, neighbors, labels = blobs
    wide = torch.cat([features, 0.01 * torch.randn(len(features), 300)], dim=1)
    trained, _ = train((wide, neighbors, labels), n_epochs=20)
    clusters = trained.heads(wide)[trained.best_head].argmax(dim=1)
    assert clustering_accuracy(labels, clusters.numpy()) == 1


def test_divergence_leaves_the_last_good_epoch(blobs, objectives, monkeypatch):
    calls = []
    original = TemiLoss.gradient

    def breaking(self, outputs, targets):
        calls.append(targets)
        factor = torch.nan if len(calls) > 16 else 1  # 8 batches an epoch
        return original(self, tuple(factor * each for each in outputs), targets)

    monkeypatch.setattr(TemiLoss, "gradient", breaking)
    with pytest.warns(ConvergenceWarning, match="epoch 3 of the TEMI stage"):
        trained, history = train(blobs)
    assert len(history) == 2
    assert trained.losses.isfinite().all()
    assert trained.heads(blobs[0]).isfinite().all()
    assert objectives[0].marginal.isfinite().all()


@pytest.mark.parametrize(("n_steps", "momentum"), [(1, 0.9), (10**6, 0.996)])
def test_suggested_momenta_have_bounds(n_steps, momentum):
    assert suggest_momentum(n_steps) == momentum


def test_longer_training_has_a_slower_teacher():
    assert 0.9 < suggest_momentum(2000) < suggest_momentum(4000) < 0.996
