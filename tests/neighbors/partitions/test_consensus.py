"""A partition that several agree on, whatever the numbers of their clusters."""

import numpy as np
import pytest
from partition_helpers import assert_same_clusters, random_state

from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.neighbors.partitions import consensus_partition

Y = np.repeat(np.arange(5), [60, 40, 30, 20, 10])


def renumbered(seed):
    return random_state(seed).permutation(5)[Y]


def noisy(seed, share=0.25):
    rng = random_state(seed)
    labels = renumbered(seed)
    return np.where(rng.rand(len(Y)) < share, rng.randint(5, size=len(Y)), labels)


@pytest.mark.parametrize("n_partitions", [1, 2, 7])
def test_of_one_partition_in_any_numbers_it_is_that_one(n_partitions):
    partitions = [renumbered(seed) for seed in range(n_partitions)]
    found = consensus_partition(partitions, 5, random_state())
    assert found.dtype == np.int64
    assert_same_clusters(found, Y)


def test_errors_of_each_are_outvoted():
    partitions = [noisy(seed) for seed in range(12)]
    found = consensus_partition(partitions, 5, random_state())
    accuracies = [clustering_accuracy(Y, each) for each in partitions]
    assert clustering_accuracy(Y, found) > max(accuracies) + 0.1


def test_most_outvote_a_partition_of_other_clusters():
    other = np.arange(len(Y)) % 5
    partitions = [*(renumbered(seed) for seed in range(4)), other]
    assert_same_clusters(consensus_partition(partitions, 5, random_state()), Y)


def test_partitions_may_have_fewer_clusters_and_gaps():
    coarse, gaps = np.minimum(Y, 3), 3 * Y
    found = consensus_partition([coarse, gaps, Y], 5, random_state())
    assert_same_clusters(found, Y)


def test_equal_seeds_give_equal_partitions():
    partitions = [noisy(seed, 0.8) for seed in range(3)]
    first, again = (consensus_partition(partitions, 5, random_state()) for _ in "ab")
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("n_samples", [1, 2, 9])
def test_one_cluster_and_one_for_each_sample(n_samples):
    each = np.arange(n_samples)
    found = consensus_partition([each, each[::-1]], n_samples, random_state())
    assert_same_clusters(found, each)
    zeros = np.zeros(n_samples, int)
    assert not consensus_partition([zeros, each], 1, random_state()).any()
