"""The sample that stands for a cluster, against a slow reference."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_scan.results.prototypes import cluster_prototypes


def random_clusters(seed, n_samples=60, n_clusters=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_samples, 3)), rng.dirichlet(
        np.ones(n_clusters), n_samples
    )


def slow_prototype(embedding, probabilities, cluster, n_candidates):
    members = [i for i, p in enumerate(probabilities) if p.argmax() == cluster]
    members.sort(key=lambda i: probabilities[i, cluster], reverse=True)
    surest = members[:n_candidates]
    mean = sum(embedding[i] for i in surest) / len(surest)
    return min(surest, key=lambda i: np.sum((embedding[i] - mean) ** 2))


@pytest.mark.parametrize("n_candidates", [1, 3, 5, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_prototypes_equal_the_slow_reference(seed, n_candidates):
    embedding, probabilities = random_clusters(seed)
    expected = [
        slow_prototype(embedding, probabilities, cluster, n_candidates)
        for cluster in range(4)
    ]
    prototypes = cluster_prototypes(embedding, probabilities, n_candidates=n_candidates)
    assert prototypes.dtype == np.int64
    assert_array_equal(prototypes, expected)


def test_the_only_candidate_is_the_most_confident_member():
    embedding, probabilities = random_clusters(0)
    prototypes = cluster_prototypes(embedding, probabilities, n_candidates=1)
    assert_array_equal(prototypes, probabilities.argmax(axis=0))


def test_an_empty_cluster_has_no_prototype():
    embedding, probabilities = random_clusters(0, n_clusters=3)
    with_empty = np.insert(probabilities, 1, 0, axis=1)
    expected = np.insert(cluster_prototypes(embedding, probabilities), 1, -1)
    assert_array_equal(cluster_prototypes(embedding, with_empty), expected)


def test_the_unsure_do_not_move_the_mean():
    embedding = np.array([[0.0], [1.0], [2.0], [50.0], [60.0]])
    probabilities = np.array([[0.9], [0.9], [0.9], [0.6], [0.6]])
    prototypes = cluster_prototypes(embedding, probabilities, n_candidates=3)
    assert_array_equal(prototypes, [1])


@pytest.mark.parametrize(
    ("n_candidates", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)]
)
def test_n_candidates_is_checked(n_candidates, error):
    with pytest.raises(error, match="n_candidates"):
        cluster_prototypes(*random_clusters(0), n_candidates=n_candidates)


def test_members_are_those_of_the_labels_given():
    embedding = np.array([[0.0], [1.0], [5.0], [9.0]])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8]])
    moved = np.array([0, 1, 1, -1])
    assert cluster_prototypes(embedding, probabilities, moved).tolist() == [0, 2]
