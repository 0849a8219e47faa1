"""Euclidean neighbours of samples whose distances single precision does not tell."""

import numpy as np
import pytest
import torch
from neighbor_helpers import (
    EXACT,
    MINERS,
    assert_similar,
    groups_of_vectors,
    random_features,
    recall,
    reference,
)
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_scan.neighbors import _settle, mine_neighbors


def mine(X, n_neighbors, method="exact", **settings):
    return mine_neighbors(
        X, n_neighbors, method=method, metric="euclidean", random_state=0, **settings
    )


def outlier(far):
    X = random_features(900)
    X[7] = far
    return X


def two_tight_groups(apart):
    X = 1e-3 * random_features(900)
    X[400:] += apart
    return X


def few_values(n_values, n_features):
    shape = (900, n_features)
    return np.random.default_rng(0).integers(n_values, size=shape, dtype=np.uint8)


FAR_AND_NEAR = {
    "an offset": random_features(900) + 1e4,
    "an offset, in single precision": (random_features(900) + 1e4).astype(np.float32),
    "an outlier": outlier(1e6),
    "an outlier that makes others one point": outlier(1e30).astype(np.float32),
    "two tight groups": two_tight_groups(1e4),
    "two tight groups in single precision": two_tight_groups(1.0).astype(np.float32),
    "two tighter groups": two_tight_groups(1e6),
    "lengths of all magnitudes": np.geomspace(1e-9, 1e9, 900)[:, None]
    * random_features(900),
    "many duplicates": np.repeat(random_features(30), 30, axis=0),
    "few values": few_values(3, 5),
    "one feature of few values": few_values(7, 1),
    "bytes": few_values(256, 12),
    "half precision": random_features(900).astype(np.float16),
    "near the least number": (1e-30 * random_features(900)).astype(np.float32),
    "near the largest number": (1e37 * random_features(900)).astype(np.float32),
}


@pytest.mark.parametrize("X", FAR_AND_NEAR.values(), ids=FAR_AND_NEAR)
@pytest.mark.parametrize("method", EXACT)
def test_exact_is_brute_force_in_double_precision(method, X):
    graph = mine(X, 9, method)
    indices, similarities = reference(X, 9, metric="euclidean")
    assert_array_equal(graph.indices, indices)
    assert_similar(graph, similarities)


@pytest.mark.parametrize("name", ["an outlier", "two tighter groups", "few values"])
def test_blocks_of_doubtful_samples_make_no_difference(monkeypatch, name):
    X = FAR_AND_NEAR[name]
    monkeypatch.setattr("sklearn_scan.core.rows._BLOCK_ELEMENTS", 1000)
    monkeypatch.setattr(_settle, "_ASKED", 7)
    graph = mine(X, 9)
    assert_array_equal(graph.indices, reference(X, 9, metric="euclidean")[0])


@pytest.fixture
def searched_again(monkeypatch):
    """List the samples that are compared again in double precision."""
    samples = []
    search = _settle._search_above

    def note(points, queries, floor, k):
        samples.extend(queries.tolist())
        return search(points, queries, floor, k)

    monkeypatch.setattr(_settle, "_search_above", note)
    return samples


@pytest.mark.parametrize("offset", [0, 1e4])
def test_ordinary_samples_are_compared_once(searched_again, offset):
    mine(groups_of_vectors(3000) + offset, 20)
    assert searched_again == []


def test_an_outlier_leaves_no_doubt_of_others(searched_again):
    mine(outlier(1e6), 9)
    assert searched_again == [7]


@pytest.mark.parametrize("method", MINERS)
def test_duplicates_have_no_distance(method):
    X = np.repeat(random_features(20) + 1e4, 3, axis=0)
    graph = mine(X, 3, method)
    assert not graph.distances()[:, :2].any()
    assert (graph.distances()[:, 2] > 0).all()


def test_a_memory_map_of_far_samples(tmp_path):
    X = FAR_AND_NEAR["two tighter groups"]
    np.save(tmp_path / "X.npy", X)
    graph = mine(np.load(tmp_path / "X.npy", mmap_mode="r"), 9)
    assert_array_equal(graph.indices, reference(X, 9, metric="euclidean")[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_tensors_of_far_samples(dtype):
    X = torch.from_numpy(FAR_AND_NEAR["two tight groups"]).to(dtype)
    graph = mine(X, 9)
    indices, _ = reference(X.double().numpy(), 9, metric="euclidean")
    assert_array_equal(graph.indices, indices)


@pytest.mark.parametrize("method", MINERS)
@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100])
def test_scale_does_not_matter(method, scale):
    X = groups_of_vectors(1000).astype(np.float64)
    graph, scaled = mine(X, 5, method), mine(scale * X, 5, method)
    assert_array_equal(scaled.indices, graph.indices)
    assert_allclose(scaled.distances(), scale * graph.distances(), rtol=1e-6)


@pytest.mark.parametrize("exponent", [-1074, -1000])
def test_distances_below_single_precision_are_zero(exponent):
    X = 2.0**exponent * np.arange(60.0)[:, None]
    graph = mine(X, 2)
    assert_array_equal(graph.indices, mine(np.arange(60.0)[:, None], 2).indices)
    assert not graph.distances().any()


@pytest.mark.parametrize("far", [1e39, 1e200, 1e308])
def test_distances_beyond_single_precision(far):
    X = np.array([[far], [-far], [0.0]])
    with pytest.raises(ValueError, match=r"less than 3.4e\+38 apart, .* scale them"):
        mine(X, 1)


@pytest.mark.parametrize("method", ["ivf_flat", "ivf_sq8"])
def test_an_approximate_search_reaches_its_recall(method):
    X = random_features(3000, 12) * np.geomspace(0.1, 10, 12)
    for target in (0.9, 0.99):
        graph = mine(X, 10, method, target_recall=target)
        assert graph.recall_ >= target
        assert_allclose(recall(graph, X), graph.recall_, atol=0.02)


@pytest.mark.parametrize("method", ["ivf_flat", "ivf_sq8"])
def test_an_approximate_search_says_what_it_cannot_tell_apart(method):
    X = two_tight_groups(1e6)
    with pytest.warns(UserWarning, match="below target_recall=0.95"):
        graph = mine(X, 5, method)
    assert_allclose(recall(graph, X), graph.recall_, atol=0.05)
