"""Neighbours found by workers: the same as by one process."""

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from sklearn_scan.exceptions import WorkerError
from sklearn_scan.neighbors import _by_workers, mine_neighbors

pytestmark = pytest.mark.usefixtures("end_workers")

N_SAMPLES = 5 * _by_workers.BATCH + 100


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(50, 16))
    noise = rng.normal(scale=0.7, size=(N_SAMPLES, 16))
    return (centers[rng.integers(50, size=N_SAMPLES)] + noise).astype(np.float32)


@pytest.fixture
def backend():
    with joblib.parallel_config(backend="loky", n_jobs=2):
        yield


def mine(features, **settings):
    defaults = {"method": "ivf_sq8", "center": True, "random_state": 0}
    return mine_neighbors(features, 5, **(defaults | settings))


def assert_same(found, expected):
    assert_array_equal(found.indices, expected.indices)
    assert_array_equal(found.similarities, expected.similarities)
    assert found.recall_ == expected.recall_


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("method", ["ivf_flat", "ivf_sq8"])
def test_the_graph_is_the_same(features, method, metric):
    settings = {"method": method, "metric": metric, "center": metric == "cosine"}
    expected = mine(features, **settings)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        assert_same(mine(features, **settings), expected)


@pytest.mark.parametrize(
    "kind", ["file", "part of a file", "changed", "tensor", "columns"]
)
def test_features_of_any_kind(features, tmp_path, kind, backend):
    with joblib.parallel_config(backend="threading"):
        expected = mine(features)
    file = tmp_path / "features.npy"
    if kind == "changed":  # in memory, as an embedding in a file may be
        np.save(file, np.zeros_like(features))
        changed = np.load(file, mmap_mode="c")
        changed[:] = features
        features = changed
    elif kind == "file":
        np.save(file, features)
        features = np.load(file, mmap_mode="r")
    elif kind == "part of a file":
        np.save(file, np.concatenate([np.zeros((7, 16), np.float32), features]))
        features = np.load(file, mmap_mode="r")[7:]
    elif kind == "tensor":
        features = torch.from_numpy(features)
    else:
        np.save(file, np.asfortranarray(features))
        features = np.load(file, mmap_mode="r")
    assert_same(mine(features), expected)


def test_workers_search_where_there_is_enough(features, backend, monkeypatch):
    calls, run = [], _by_workers._run

    def count(*some):
        calls.append(some)
        return run(*some)

    monkeypatch.setattr(_by_workers, "_run", count)
    mine(features)
    assert len(calls) == 1
    mine(features[: 2 * _by_workers.BATCH])
    mine(features[: 2 * _by_workers.BATCH], method="exact")
    assert len(calls) == 1


def test_what_fails_on_a_worker_is_said(features, backend, monkeypatch):
    monkeypatch.setattr(_by_workers, "_write_search", lambda search, folder: None)
    with pytest.raises(WorkerError, match="set TMPDIR to one that all machines share"):
        mine(features)
