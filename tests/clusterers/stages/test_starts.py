"""Where heads start: the best partitions first, of all samples or of some."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, make_blobs

from sklearn_scan import SCANClusterer
from sklearn_scan.clusterers import Run
from sklearn_scan.clusterers.stages import starts as module
from sklearn_scan.clusterers.stages.starts import Starts, nearest_pairs, select_best
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import score_heads, score_partitions
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.training.heads import count_shares, label_all


def prepared(X, n_neighbors=8):
    X = torch.tensor(np.asarray(X), dtype=torch.float32)
    X = X - X.mean(dim=0)
    return X / X.std().clamp_min(1e-6), mine_neighbors(X, n_neighbors)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return *prepared(X[:300]), y[:300]


@pytest.fixture
def few_drawn(monkeypatch):
    monkeypatch.setattr(module, "MOST_PARTITIONED", 100)
    monkeypatch.setattr(module, "MOST_OF_CLUSTER", 5)


def drawn_from(features, neighbors, n_clusters=10, dims=None, seed=0):
    return Starts.drawn(FeatureTrunk(features, dims), neighbors, n_clusters, seed)


def best(starts, most, seed=0):
    return starts.best_partitions(most, seed, Run())[0]


def test_the_best_come_first(digits):
    features, neighbors, y = digits
    starts = drawn_from(features, neighbors)
    partitions = best(starts, 1000)
    assert 20 < len(partitions) < 1000  # as many as there are
    scores = score_partitions(partitions, starts.features, neighbors)
    assert (scores.diff() <= 0).all()
    assert torch.equal(best(starts, 3), partitions[:3])
    accuracies = [clustering_accuracy(y, each.numpy()) for each in partitions]
    assert accuracies[0] > np.median(accuracies)


def test_clusters_are_numbered_by_size(digits):
    partitions = best(drawn_from(*digits[:2]), 5)
    assert partitions.dtype == torch.int64
    assert (count_shares(partitions, 10).diff(dim=1) <= 0).all()


def test_seeds_decide(digits):
    starts = drawn_from(*digits[:2])
    first, again, other = (best(starts, 9, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_heads_outside_label_as_those_along_the_axes(digits):
    features, neighbors, _ = digits
    starts = drawn_from(features, neighbors)
    inside = starts.heads_at(best(starts, 4))
    outside, scores = starts.scored(inside)
    labels = label_all(outside, features)
    same = labels == label_all(inside, starts.features)
    assert same.float().mean() > 0.99
    torch.testing.assert_close(scores, score_heads(inside, starts.features, neighbors))
    kept = select_best(outside, scores)
    assert torch.equal(label_all(kept, features)[0], labels[scores.argmax()])


def test_of_many_samples_some_are_drawn_with_neighbors_of_their_own(few_drawn):
    X, y = make_blobs(400, 8, centers=5, random_state=0)
    features, neighbors = prepared(X)
    starts = drawn_from(features, neighbors, 5)
    assert starts.features.shape == (100, 8)
    assert starts.graph.indices.shape == (100, 8)
    assert starts.graph.indices.max() < 100
    everything = starts.all_inside(FeatureTrunk(features))
    assert everything.samples.shape == (400, 8)
    labels = label_all(starts.heads_at(best(starts, 1)), everything.samples)
    assert clustering_accuracy(y, labels[0].numpy()) == 1
    # five of each cluster at least
    assert len(drawn_from(features, neighbors, 50).features) == 250


def test_each_encoder_has_heads_of_its_own(few_drawn):
    X, y = make_blobs(400, 8, centers=5, random_state=0)
    rng = np.random.default_rng(0)
    features, neighbors = prepared(np.c_[X, rng.normal(size=(400, 300))])
    starts = drawn_from(features, neighbors, 5, dims=(8, 300))
    assert starts.trunk.dims == (8, 100)
    heads = starts.heads_at(best(starts, 2))
    outside, scores = starts.scored(heads)
    assert scores.shape == (2,)
    labels = label_all(outside, features)
    assert clustering_accuracy(y, labels[0].numpy()) > 0.95


@pytest.mark.parametrize("n_clusters", [1, 2, 30, 60])
@pytest.mark.parametrize("neighbor", ["pairs", "one"])
def test_graphs_in_parts(neighbor, n_clusters):
    """Of thirty pairs, or of one sample that is the neighbour of all."""
    features, _ = prepared(np.random.default_rng(0).normal(size=(60, 3)))
    indices = np.arange(60)[:, np.newaxis] ^ 1
    if neighbor == "one":
        indices = np.where(np.arange(60) == 0, 1, 0)[:, np.newaxis]
    graph = NeighborGraph(indices, np.ones((60, 1), np.float32))
    partitions = best(drawn_from(features, graph, n_clusters), 3)
    assert partitions.shape[1] == 60
    assert 0 <= partitions.min() <= partitions.max() < n_clusters


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
@pytest.mark.parametrize("n_samples", [5, 40, 250])
def test_features_without_variance(n_samples, n_clusters, few_drawn):
    features, neighbors = prepared(np.zeros((n_samples, 3)), min(8, n_samples - 1))
    starts = drawn_from(features, neighbors, n_clusters)
    partitions = best(starts, 2)
    outside, scores = starts.scored(starts.heads_at(partitions))
    assert scores.isfinite().all()
    assert outside(features).isfinite().all()


@pytest.mark.parametrize(("n_clusters", "n_pairs"), [(2, 5), (25, 3), (40, 1), (99, 1)])
def test_pairs_are_the_nearest_and_of_small_clusters_fewer(n_clusters, n_pairs):
    _, neighbors = prepared(np.random.default_rng(0).normal(size=(100, 3)))
    np.testing.assert_array_equal(
        nearest_pairs(neighbors, 5, n_clusters).indices, neighbors.indices[:, :n_pairs]
    )


@pytest.mark.parametrize(("n_samples", "n_clusters"), [(20, 5), (200, 50)])
def test_clusters_of_four_samples_are_all_used(n_samples, n_clusters):
    X, y = make_blobs(n_samples, 32, centers=n_clusters, random_state=0)
    settings = {"self_label_epochs": 0, "random_state": 0, "n_neighbors": 10}
    labels = SCANClusterer(n_clusters, **settings).fit_predict(X)
    assert len(np.unique(labels)) == n_clusters
    assert clustering_accuracy(y, labels) > 0.95
