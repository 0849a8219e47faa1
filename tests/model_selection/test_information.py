"""The information of neighbours against a double loop, and what it prefers."""

import math

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import mutual_info_score

from sklearn_scan.model_selection import (
    information_lost,
    neighbor_information,
    neighbor_modularity,
)
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors


def random_graph(n_samples=20, n_neighbors=3, seed=0):
    X = np.random.default_rng(seed).normal(size=(n_samples, 3))
    return mine_neighbors(X, n_neighbors)


def random_proba(n_samples=20, n_clusters=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(n_clusters, 0.3), size=n_samples)


def slow_information(probabilities, indices):
    n_clusters = probabilities.shape[1]
    joint = np.zeros((n_clusters, n_clusters))
    for i, neighbors in enumerate(indices):
        for j in neighbors:
            for c in range(n_clusters):
                for d in range(n_clusters):
                    both = probabilities[i, c] * probabilities[j, d]
                    joint[c, d] += both / indices.size / 2
                    joint[d, c] += both / indices.size / 2
    total = 0.0
    for c in range(n_clusters):
        for d in range(n_clusters):
            ratio = joint[c, d] / joint[c].sum() / joint[d].sum()
            total += joint[c, d] * math.log(ratio)
    return total


@pytest.mark.parametrize("n_clusters", [1, 2, 5])
def test_information_equals_the_slow_reference(n_clusters):
    graph, probabilities = random_graph(), random_proba(n_clusters=n_clusters)
    expected = slow_information(probabilities, graph.indices)
    score = neighbor_information(probabilities, graph)
    assert score == pytest.approx(expected, abs=1e-12)


def test_for_hard_clusters_it_is_the_mutual_information_of_labels():
    graph = random_graph()
    labels = random_proba().argmax(axis=1)
    own, neighbors = np.repeat(labels, graph.n_neighbors), labels[graph.indices].ravel()
    both_ways = np.r_[own, neighbors], np.r_[neighbors, own]
    score = neighbor_information(np.eye(4)[labels], graph)
    assert score == pytest.approx(mutual_info_score(*both_ways))


@pytest.mark.parametrize("n_clusters", [2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_information_is_between_zero_and_log_n_clusters(n_clusters, seed):
    probabilities = random_proba(n_clusters=n_clusters, seed=seed)
    score = neighbor_information(probabilities, random_graph(seed=seed))
    assert 0 <= score <= math.log(n_clusters)


def test_full_information_is_log_n_clusters():
    labels = np.repeat(np.arange(5), 4)
    graph = mine_neighbors(np.eye(5)[labels], 3)
    score = neighbor_information(np.eye(5)[labels], graph)
    assert score == pytest.approx(math.log(5))


def test_numbers_of_clusters_have_no_meaning():
    graph, probabilities = random_graph(), random_proba()
    renumbered = probabilities[:, [2, 0, 3, 1]]
    score = neighbor_information(probabilities, graph)
    assert neighbor_information(renumbered, graph) == pytest.approx(score)


def test_an_unused_cluster_adds_nothing():
    graph, probabilities = random_graph(), random_proba()
    with_unused = np.c_[probabilities, np.zeros(len(probabilities))]
    score = neighbor_information(probabilities, graph)
    assert neighbor_information(with_unused, graph) == pytest.approx(score)


def test_merged_groups_and_undecided_samples_score_less():
    X, labels = make_blobs(n_samples=150, centers=5, n_features=8, random_state=0)
    graph = mine_neighbors(X - X.mean(axis=0), 10)
    # the last groups merged, into two clusters, three, four and five
    scores = [
        neighbor_information(np.eye(k)[np.minimum(labels, k - 1)], graph)
        for k in (2, 3, 4, 5)
    ]
    assert scores == sorted(scores)
    assert len(set(scores)) == 4
    undecided = 0.8 * np.eye(5)[labels] + 0.2 / 5
    assert neighbor_information(undecided, graph) < scores[-1]


@pytest.mark.parametrize(("dtype", "tiny"), [(np.float32, 1e-22), (np.float64, 1e-161)])
def test_a_nearly_empty_cluster_does_not_overflow(dtype, tiny):
    # ten pairs of neighbours; the square of `tiny` is just above the smallest number
    indices = np.arange(20).reshape(10, 2)[:, ::-1].reshape(20, 1)
    graph = NeighborGraph(indices, np.ones((20, 1)))
    probabilities = np.zeros((20, 3), dtype=dtype)
    probabilities[:10, 0] = probabilities[10:, 1] = 1
    probabilities[:2, 2] = tiny
    score = neighbor_information(probabilities, graph)
    assert score == pytest.approx(math.log(2), rel=1e-6)


def slow_entropy(labels):
    shares = [(labels == c).mean() for c in set(labels.tolist())]
    return -sum(share * math.log(share) for share in shares)


def cliques(*sizes):
    """Return the graph of groups whose members are all neighbours, and the groups."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    members = [np.flatnonzero(labels == c) for c in range(len(sizes))]
    indices = [np.setdiff1d(members[c], [i])[:2] for i, c in enumerate(labels)]
    return NeighborGraph(np.array(indices), np.ones((len(labels), 2))), labels


def test_information_takes_labels_as_well_as_probabilities():
    graph, labels = random_graph(), random_proba().argmax(axis=1)
    of_labels, of_probabilities = (
        neighbor_information(labels, graph),
        neighbor_information(np.eye(4)[labels], graph),
    )
    assert of_labels == pytest.approx(of_probabilities, abs=1e-12)


@pytest.mark.parametrize("score", [neighbor_information, neighbor_modularity])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_narrow_integers_count_as_wide_ones(score, dtype):
    graph, labels = random_graph(), 30 * random_proba().argmax(axis=1)
    assert score(labels.astype(dtype), graph) == score(labels, graph)


def test_information_lost_is_the_share_of_what_was_told():
    graph, labels = cliques(10, 10, 10)
    told = neighbor_information(labels, graph)
    tells = neighbor_information(labels.clip(0, 1), graph)
    lost = information_lost(labels, labels.clip(0, 1), graph)
    assert lost == pytest.approx(1 - tells / told)
    assert 0 < lost < 1
    assert information_lost(labels, 0 * labels, graph) == 1
    assert information_lost(labels, labels[::-1], graph) == pytest.approx(0)
    assert information_lost(0 * labels, labels, graph) == 0
