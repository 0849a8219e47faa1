"""Merging clusters, against a reference that works the information out each time."""

import math
from itertools import combinations

import numpy as np
import pytest

from sklearn_scan.neighbors.partitions import merge_clusters


def random_joint(n_parts, seed, share_of_zeros=0.0):
    rng = np.random.default_rng(seed)
    joint = rng.gamma(0.5, size=(n_parts, n_parts))
    joint[rng.random(joint.shape) < share_of_zeros] = 0
    joint += joint.T + np.diag(rng.gamma(0.5, size=n_parts) + 0.1)
    return joint / joint.sum()


def information_and_entropy(joint):
    shares = [sum(row) for row in joint]
    information = 0.0
    for a, row in enumerate(joint):
        for b, seen in enumerate(row):
            if seen > 0:
                information += seen * math.log(seen / shares[a] / shares[b])
    return information, -sum(share * math.log(share) for share in shares)


def merged(joint, first, second):
    joint = joint.copy()
    joint[first] += joint[second]
    joint[:, first] += joint[:, second]
    return np.delete(np.delete(joint, second, axis=0), second, axis=1)


def slow_merge(joint, n_clusters, per_entropy):
    groups = [[part] for part in range(len(joint))]
    while len(groups) > n_clusters:
        information, entropy = information_and_entropy(joint)
        losses = {}
        for pair in combinations(range(len(groups)), 2):
            left, left_entropy = information_and_entropy(merged(joint, *pair))
            lost = information - left
            losses[pair] = lost / (entropy - left_entropy) if per_entropy else lost
        first, second = min(losses, key=losses.get)
        joint = merged(joint, first, second)
        groups[first] += groups.pop(second)
    return [
        next(g for g, parts in enumerate(groups) if part in parts)
        for part in range(sum(map(len, groups)))
    ]


@pytest.mark.parametrize("per_entropy", [False, True])
@pytest.mark.parametrize("share_of_zeros", [0.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_merging_equals_the_slow_reference(seed, share_of_zeros, per_entropy):
    joint = random_joint(12, seed, share_of_zeros)
    for n_clusters in (1, 3, 6, 11):
        found = merge_clusters(joint, n_clusters, per_entropy=per_entropy)
        assert found.tolist() == slow_merge(joint, n_clusters, per_entropy)


def test_the_two_criteria_differ():
    """Per nat of entropy, a small cluster apart from the others stays so."""
    # one part of a hundredth, all alone; the rest in two halves that mix a little
    joint = np.array([[0.45, 0.045, 0.0], [0.045, 0.45, 0.0], [0.0, 0.0, 0.01]])
    assert merge_clusters(joint, 2).tolist() == [0, 1, 0]
    assert merge_clusters(joint, 2, per_entropy=True).tolist() == [0, 0, 1]


@pytest.mark.parametrize("per_entropy", [False, True])
def test_numbers_of_parts_have_no_meaning(per_entropy):
    joint, order = random_joint(15, 0), np.random.default_rng(1).permutation(15)
    found = merge_clusters(joint, 5, per_entropy=per_entropy)
    shuffled = merge_clusters(joint[order][:, order], 5, per_entropy=per_entropy)
    together = found[order][:, None] == found[order]
    np.testing.assert_array_equal(shuffled[:, None] == shuffled, together)


@pytest.mark.parametrize("n_clusters", [1, 2, 6])
@pytest.mark.parametrize("per_entropy", [False, True])
def test_as_many_clusters_are_left_as_asked_for(n_clusters, per_entropy):
    found = merge_clusters(random_joint(6, 0), n_clusters, per_entropy=per_entropy)
    assert np.unique(found).tolist() == list(range(n_clusters))


def test_fewer_parts_than_clusters_stay_as_they_are():
    assert merge_clusters(random_joint(3, 0), 5).tolist() == [0, 1, 2]


@pytest.mark.parametrize("per_entropy", [False, True])
@pytest.mark.parametrize("empty", [0, 2, 4])
def test_a_part_without_samples_is_no_cluster(empty, per_entropy):
    rest = np.delete(np.arange(5), empty)
    joint = np.zeros((5, 5))
    joint[np.ix_(rest, rest)] = random_joint(4, 3)
    found = merge_clusters(joint, 3, per_entropy=per_entropy)
    alone = merge_clusters(random_joint(4, 3), 3, per_entropy=per_entropy)
    np.testing.assert_array_equal(
        found[rest][:, None] == found[rest], alone[:, None] == alone
    )


def test_the_joint_distribution_is_left_as_it_was():
    joint = random_joint(6, 0)
    before = joint.copy()
    merge_clusters(joint, 2)
    np.testing.assert_array_equal(joint, before)
