"""JULE's stage on groups that anyone can tell apart, on a map that is learnt."""

import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from stage_helpers import run_stage

from sklearn_scan.clusterers.stages import (
    MergingPeriods,
    merging_periods,
    period_numbers,
)
from sklearn_scan.clusterers.trunks import MapTrunk
from sklearn_scan.metrics import clustering_accuracy, neighbor_purity
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import Directions, UnitRows
from sklearn_scan.training.objectives import WeightedTripletLoss

N_CLUSTERS = 3


@pytest.fixture(scope="module")
def blobs():
    X, labels = make_blobs(90, 10, centers=N_CLUSTERS, cluster_std=3, random_state=0)
    X = torch.tensor(X, dtype=torch.float32)
    return X, mine_neighbors(X, 8, center=True), labels


def make_trunk(X):
    scaler = Directions.from_features(X)
    return MapTrunk(X, UnitRows.learning(scaler, scaler(X), 160))


def train(blobs, numbers=(9, N_CLUSTERS), **settings):
    """Return the trunk, what is found, and the history."""
    X, graph, _ = blobs
    trunk = make_trunk(X)
    defaults = {
        "n_clusters": N_CLUSTERS,
        "n_epochs": 5,
        "batch_size": 16,
        "learning_rate": 1e-2,
        "margin": 0.2,
    }
    settings = defaults | settings
    found, history = run_stage(
        MergingPeriods, trunk, graph, numbers=numbers, **settings
    )
    return trunk, found, history


@pytest.fixture(scope="module")
def trained(blobs):
    return train(blobs)


# -- what is found ---------------------------------------------------------------------


def test_separated_groups_are_found(blobs, trained):
    trunk, found, _ = trained
    _, _, labels = blobs
    assert clustering_accuracy(labels, found.decisions.labels.numpy()) > 0.95
    logits = found.head(trunk.features())
    assert torch.equal(logits[0].argmax(dim=1), found.decisions.labels)


def test_training_brings_clusters_apart(blobs, trained):
    trunk, _, _ = trained
    X, _, labels = blobs
    labels = torch.from_numpy(labels)
    within = labels[:, None] == labels

    def margin(rows):
        distances = torch.cdist(rows, rows).square()
        return distances[~within].mean() - distances[within].mean()

    learnt, before = (each.scaler.unit(X) for each in (trunk, make_trunk(X)))
    assert margin(learnt) > margin(before) + 0.1


def test_neighbours_are_found_anew(blobs, trained):
    trunk, found, _ = trained
    X, graph, labels = blobs
    learnt = trunk.scaler.unit(X).detach()
    expected = mine_neighbors(learnt, 8, center=True)
    same = found.graph.indices == expected.indices
    assert same.mean() > 0.9  # but for rounding
    assert (found.graph.indices != graph.indices).any()
    assert neighbor_purity(found.graph.indices, labels) > 0.97


def test_features_are_standardised_for_the_head(trained):
    rows = trained[0].features()
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(10), rtol=0, atol=1e-4)
    torch.testing.assert_close(rows.std(dim=0, correction=0), torch.ones(10))


def test_periods_follow_each_other(blobs, trained):
    _, found, history = trained
    assert [record["stage"] for record in history] == ["JULE"] * 10
    assert [record["epoch"] for record in history] == [*range(1, 11)]
    assert found.losses.tolist() == pytest.approx([history[-1]["loss"]])


def test_each_period_learns_from_fewer_clusters(blobs, monkeypatch):
    seen = []

    class Watch(WeightedTripletLoss):
        def losses(self, outputs, targets):
            seen.append(int(self.labels.max()) + 1)
            return super().losses(outputs, targets)

    monkeypatch.setattr(merging_periods, "WeightedTripletLoss", Watch)
    train(blobs, numbers=(12, 5, 3), batch_size=90, n_epochs=1)
    assert seen == [12, 5, 3]


def test_one_seed_one_training(blobs, trained):
    _, again, history = train(blobs)
    assert torch.equal(again.head.weight, trained[1].head.weight)
    assert history == trained[2]
    assert train(blobs, seed=1)[2] != history


def test_weights_that_overflow_are_taken_back(blobs, monkeypatch):
    trunk = make_trunk(blobs[0])
    start = trunk.features()
    forward = UnitRows.unit

    def overflow(self, features):
        moved = not torch.equal(self.before[-1].weight.detach(), torch.eye(10))
        rows = forward(self, features)
        return rows * torch.inf if moved and not self.training else rows

    monkeypatch.setattr(UnitRows, "unit", overflow)
    with pytest.warns(ConvergenceWarning, match="overflowed in the JULE stage"):
        trunk, found, history = train(blobs)
    assert len(history) == 5  # the first period's
    assert torch.equal(trunk.scaler.unit(blobs[0]), start)
    assert found.decisions.confidence.isfinite().all()


# -- parts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((1951, 10, 0.9), [196, 20, 10]),
        ((100, 10, 0.2), [80, 64, 52, 42, 34, 28, 23, 19, 16, 13, 11, 10]),
        ((100, 10, 0.999), [10]),
        ((10, 10, 0.5), [10]),
        ((4, 10, 0.5), [10]),  # to be parted
        ((3, 1, 1e-9), [3, 2, 1]),
    ],
)
def test_numbers_of_clusters(numbers, expected):
    assert period_numbers(*numbers) == expected


def test_mates_are_others_of_the_cluster():
    labels = torch.tensor([2, 0, 1, 2, 2, 0, 5, 2])
    mates = merging_periods._Mates(torch.Generator().manual_seed(0))
    mates.set(labels)
    drawn = torch.stack([mates.draw() for _ in range(400)])  # (400, n)
    assert (labels[drawn] == labels).all()
    alone = [2, 6]
    itself = (drawn == torch.arange(8)).float().mean(dim=0)
    assert itself.nonzero().flatten().tolist() == alone
    # each other one as often
    shares = [(drawn[:, 0] == mate).float().mean().item() for mate in (3, 4, 7)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.1)
