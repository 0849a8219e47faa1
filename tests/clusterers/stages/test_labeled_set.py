"""Which samples are labelled, on a graph made by hand."""

import numpy as np
import pytest

from sklearn_scan.clusterers.stages.labeled_set import choose_labeled
from sklearn_scan.neighbors import NeighborGraph

N = 40  # a sample's neighbours are 20 others


def graph_of(labels, agreeing):
    """Return a graph in which so many of 20 neighbours have a sample's label."""
    rows = []
    for label, n_same in zip(labels, agreeing, strict=True):
        same, other = ((labels == label).nonzero()[0], (labels != label).nonzero()[0])
        rows.append([*np.resize(same, n_same), *np.resize(other, 20 - n_same)])
    indices = np.array(rows, dtype=np.int64)
    similarities = np.ones(indices.shape, dtype=np.float32)
    return NeighborGraph(indices, similarities)


def choose(labels, confidence, agreeing, n_clusters=2):
    confidence = np.asarray(confidence, dtype=np.float32)
    graph = graph_of(labels, agreeing)
    return choose_labeled(labels, confidence, graph, n_clusters, 0.9)


LABELS = np.repeat([0, 1], N // 2)


def test_confident_samples_with_neighbors_that_agree_are_labelled():
    agreeing = np.resize([20, 19, 18, 0], N)  # 95 % of 20 are 19
    chosen = choose(LABELS, np.full(N, 0.99), agreeing)
    assert np.array_equal(chosen, np.where(agreeing >= 19, LABELS, -1))


def test_the_more_confident_half_counts_as_confident():
    confidence = np.linspace(0.3, 0.8, N)
    chosen = choose(LABELS, confidence, np.full(N, 20))
    half = np.arange(N) % 20 >= 10
    assert np.array_equal(chosen, np.where(half, LABELS, -1))


def test_above_the_threshold_more_than_half_may_be_labelled():
    confidence = np.where(np.arange(N) < 35, 0.95, 0.5)
    chosen = choose(LABELS, confidence, np.full(N, 20))
    assert (chosen >= 0).sum() == 35


def test_a_cluster_of_few_has_the_tenth_that_agrees_most():
    agreeing = np.full(N, 20)
    agreeing[20:] = np.arange(20) % 15
    chosen = choose(LABELS, np.full(N, 0.99), agreeing)
    assert (chosen[:20] == 0).all()
    assert (chosen[20:] >= 0).nonzero()[0].tolist() == [13, 14]


def test_of_equal_agreement_the_more_confident_is_labelled():
    confidence = np.full(N, 0.99)
    confidence[20:] = np.random.default_rng(0).permutation(20) / 40
    chosen = choose(LABELS, confidence, np.repeat([20, 5], N // 2))
    best = np.argsort(confidence[20:])[-2:]
    assert sorted((chosen[20:] >= 0).nonzero()[0]) == sorted(best)


@pytest.mark.parametrize("seed", range(5))
def test_every_cluster_that_has_samples_has_a_teacher(seed):
    rng = np.random.default_rng(seed)
    labels = np.r_[0, 1, rng.choice([0, 1, 3], size=N - 2, p=[0.8, 0.1, 0.1])]
    chosen = choose(labels, rng.random(N), rng.integers(0, 20, N), n_clusters=5)
    assert np.array_equal(np.unique(chosen[chosen >= 0]), np.unique(labels))
    assert np.array_equal(chosen[chosen >= 0], labels[chosen >= 0])
