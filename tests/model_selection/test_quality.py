"""What is known of clusters without the classes."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from sklearn_scan.model_selection import Quality
from sklearn_scan.neighbors import mine_neighbors


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(400, n_features=8, centers=5, cluster_std=0.5, random_state=0)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    return torch.from_numpy(X), mine_neighbors(X, 10), y.astype(np.int64)


def change(labels, share, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.random(len(labels)) < share
    return np.where(rows, rng.integers(0, 5, len(labels)), labels)


def expected(*given):
    return Quality.of(*given).expected_accuracy


def test_of_clear_clusters_that_all_find_it_is_one(blobs):
    X, graph, y = blobs
    assert expected(y, [y, (y + 1) % 5], X, graph) == pytest.approx(1)


def test_it_falls_where_other_methods_disagree(blobs):
    X, graph, y = blobs
    found = [
        expected(y, [change(y, share, seed) for seed in range(4)], X, graph)
        for share in (0, 0.3, 0.6)
    ]
    assert found[0] > found[1] + 0.1 > found[2] + 0.2


def test_one_poor_method_of_several_does_not_count(blobs):
    X, graph, y = blobs
    others = [y, y, y, change(y, 0.8)]
    assert expected(y, others, X, graph) == pytest.approx(1)


def test_it_falls_with_errors_that_all_share(blobs):
    X, graph, y = blobs
    wrong = change(y, 0.5)
    assert expected(wrong, [wrong, wrong], X, graph) < 0.6


def test_clusters_that_are_all_in_one(blobs):
    X, graph, y = blobs
    assert np.isnan(expected(np.zeros_like(y), [y], X, graph))


def test_each_figure_falls_with_what_it_measures(blobs):
    X, graph, y = blobs
    clear = Quality.of(y, [y], X, graph)
    np.testing.assert_allclose(clear, 1, atol=0.02)
    mixed = change(y, 0.5)
    alone = Quality.of(mixed, [mixed], X, graph)  # all methods make the same errors
    assert alone.stability == 1
    assert alone.neighbor_agreement < 0.6
    assert alone.score < 0.5
    unstable = Quality.of(y, [mixed], X, graph)
    assert unstable.stability == pytest.approx((mixed == y).mean())
    assert unstable[:2] == clear[:2]


def test_neighbour_agreement_is_the_share_of_pairs_in_one_cluster(blobs):
    X, graph, y = blobs
    labels = change(y, 0.4)
    pairs = [
        labels[i] == labels[j]
        for i, nearest in enumerate(graph.indices)
        for j in nearest[:3]
    ]
    found = Quality.of(labels, [y], X, graph).neighbor_agreement
    assert found == pytest.approx(np.mean(pairs))
