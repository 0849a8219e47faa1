"""Which of several heads are kept."""

import pytest
import torch
from sklearn.datasets import make_blobs

from sklearn_scan.model_selection import neighbor_modularity, score_heads
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import (
    ClusterHeads,
    fit_heads_to,
    label_all,
    linear_generalization,
)


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(160, 8, centers=4, cluster_std=2.0, random_state=0)
    X = torch.tensor(X, dtype=torch.float32)
    X = (X - X.mean(dim=0)) / X.std()
    return X, mine_neighbors(X, 10), torch.from_numpy(y)


def heads_of(blobs, *partitions):
    X, _, _ = blobs
    return fit_heads_to(torch.stack(partitions), X, 4)


def test_scores_are_what_neighbors_share_times_what_is_found_again(blobs):
    X, neighbors, y = blobs
    heads = heads_of(
        blobs, y, y[torch.randperm(160)], (X[:, 0] > 0) + 2 * (X[:, 1] > 0)
    )
    labels = label_all(heads, X)
    assert {len(each.unique()) for each in labels} == {4}
    shared = [neighbor_modularity(each.numpy(), neighbors) for each in labels]
    expected = torch.tensor(shared) * linear_generalization(labels, X)
    torch.testing.assert_close(score_heads(heads, X, neighbors), expected)


def test_of_few_samples_only_near_neighbors_count(blobs):
    """Where all others are neighbours, none tells of any cluster."""
    X, _, y = blobs
    some = X[:40], mine_neighbors(X[:40], 39), y[:40]
    heads = heads_of(some, torch.arange(40) % 4, y[:40])
    scores = score_heads(heads, *some[:2])
    torch.testing.assert_close(
        scores, score_heads(heads, X[:40], mine_neighbors(X[:40], 4))
    )
    assert scores.argmax() == 1


def test_the_true_groups_are_preferred(blobs):
    X, neighbors, y = blobs
    halves = torch.where(y == 3, 2, y)
    halves[(y == 0) & (X[:, 0] > X[y == 0, 0].median())] = 3
    scores = score_heads(heads_of(blobs, halves, y), X, neighbors)
    assert scores.argmax() == 1


@pytest.mark.parametrize("n_left", [1, 2, 3])
def test_scores_fall_with_the_share_of_clusters_used(n_left, blobs):
    X, neighbors, y = blobs
    few = y.clamp_max(n_left - 1)
    alone = score_heads(heads_of(blobs, few), X, neighbors)
    beside = score_heads(heads_of(blobs, few, y), X, neighbors)
    torch.testing.assert_close(beside[:1], alone * n_left / 4)
    assert beside.argmax() == 1


def test_heads_that_leave_as_many_empty_are_compared_by_their_clusters(blobs):
    X, neighbors, y = blobs
    poor = (X[:, 5] > 0).long()
    scores = score_heads(heads_of(blobs, poor, (y > 1).long()), X, neighbors)
    assert 0 <= scores[0] < scores[1]


def test_one_cluster_scores_nothing(blobs):
    X, neighbors, _ = blobs
    heads = ClusterHeads(8, 1, 2, generator=torch.Generator())
    assert score_heads(heads, X, neighbors).tolist() == [0, 0]


def test_scores_lie_on_the_cpu_and_keep_no_gradient(blobs):
    X, neighbors, y = blobs
    scores = score_heads(heads_of(blobs, y), X, neighbors)
    assert scores.device.type == "cpu"
    assert not scores.requires_grad
