"""Which of several heads are kept."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.metrics import normalized_mutual_info_score

from sklearn_scan.model_selection import (
    mean_agreement,
    score_heads,
    score_partitions,
)
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


def slow_information(labels, neighbors):
    """Return the information of clusters and of those of the three nearest."""
    joint = np.zeros((4, 4))
    for own, row in zip(labels, neighbors.indices, strict=True):
        for neighbor in row[:3]:
            joint[own, labels[neighbor]] += 1
            joint[labels[neighbor], own] += 1
    joint /= joint.sum()
    marginal = joint.sum(axis=0)
    return sum(
        joint[a, b] * math.log(joint[a, b] / (marginal[a] * marginal[b]))
        for a, b in np.argwhere(joint)
    )


def test_scores_are_what_neighbors_share_times_what_is_found_again_squared(blobs):
    X, neighbors, y = blobs
    heads = heads_of(
        blobs, y, y[torch.randperm(160)], (X[:, 0] > 0) + 2 * (X[:, 1] > 0)
    )
    labels = label_all(heads, X)
    assert {len(each.unique()) for each in labels} == {4}
    shared = [slow_information(each.numpy(), neighbors) for each in labels]
    found_again = linear_generalization(labels, X)
    assert len(found_again.unique()) == 3
    expected = torch.tensor(shared).float() * found_again.square()
    scores = score_partitions(labels, X, neighbors)
    torch.testing.assert_close(scores, expected)
    of_heads = score_heads(heads, X, neighbors)
    torch.testing.assert_close(of_heads, scores * mean_agreement(labels))


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
    scores = score_partitions(torch.stack([halves, y]), X, neighbors)
    assert scores.argmax() == 1


@pytest.mark.parametrize("n_left", [1, 2, 3])
def test_scores_fall_with_the_number_of_clusters_used(n_left, blobs):
    X, neighbors, y = blobs
    few = y.clamp_max(n_left - 1)
    alone = score_heads(heads_of(blobs, few), X, neighbors)
    assert alone <= math.log(n_left) + 1e-6
    assert score_heads(heads_of(blobs, few, y), X, neighbors).argmax() == 1


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


def test_agreement_is_the_mean_with_the_others():
    draw = torch.Generator().manual_seed(0)
    partitions = torch.randint(4, (3, 50), generator=draw)
    expected = [
        sum(
            normalized_mutual_info_score(own.numpy(), other.numpy())
            for place, other in enumerate(partitions)
            if place != number
        )
        / 2
        for number, own in enumerate(partitions)
    ]
    torch.testing.assert_close(
        mean_agreement(partitions), torch.tensor(expected).float()
    )


def test_the_odd_one_out_agrees_least(blobs):
    _, _, y = blobs
    other = y[torch.randperm(160, generator=torch.Generator().manual_seed(0))]
    agreement = mean_agreement(torch.stack([y, other, (y + 1) % 4]))
    assert agreement.argmin() == 1
    assert agreement[0] == agreement[2] > 0.4


def test_a_single_partition_agrees(blobs):
    assert mean_agreement(blobs[2][None]).tolist() == [1]
