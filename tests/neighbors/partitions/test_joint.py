"""The clusters of neighbours, from labels and from probabilities."""

import numpy as np
import pytest

from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.neighbors.partitions import joint_distribution

N_SAMPLES, N_CLUSTERS = 40, 5


@pytest.fixture(scope="module")
def graph():
    X = np.random.default_rng(0).normal(size=(N_SAMPLES, 3))
    return mine_neighbors(X, 4)


@pytest.fixture(scope="module")
def labels():
    drawn = np.random.default_rng(1).integers(N_CLUSTERS, size=N_SAMPLES)
    drawn[0] = N_CLUSTERS - 1
    return drawn


def slow_joint(labels, graph):
    joint = np.zeros((N_CLUSTERS, N_CLUSTERS))
    for own, neighbors in zip(labels, graph.indices, strict=True):
        for neighbor in neighbors:
            joint[own, labels[neighbor]] += 0.5 / graph.indices.size
            joint[labels[neighbor], own] += 0.5 / graph.indices.size
    return joint


def test_of_labels_it_equals_the_slow_reference(graph, labels):
    joint = joint_distribution(labels, graph)
    np.testing.assert_allclose(joint, slow_joint(labels, graph), atol=1e-15)
    np.testing.assert_array_equal(joint, joint.T)
    assert joint.sum() == pytest.approx(1)


def test_labels_are_probabilities_of_one(graph, labels):
    of_labels = joint_distribution(labels, graph)
    of_probabilities = joint_distribution(np.eye(N_CLUSTERS)[labels], graph)
    np.testing.assert_allclose(of_labels, of_probabilities, atol=1e-15)


def test_an_unused_number_is_an_empty_row(graph, labels):
    joint = joint_distribution(np.where(labels == 2, 1, labels), graph)
    assert joint.shape == (N_CLUSTERS, N_CLUSTERS)
    assert not joint[2].any()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32])
@pytest.mark.parametrize("factor", [1, 25])
def test_the_width_of_integers_does_not_matter(dtype, factor, graph, labels):
    wide = joint_distribution(factor * labels, graph)
    narrow = joint_distribution((factor * labels).astype(dtype), graph)
    np.testing.assert_array_equal(narrow, wide)
