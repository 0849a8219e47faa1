"""Which method "auto" is, what recall costs, and what is said of memory."""

import sys

import faiss
import numpy as np
import pytest
import torch
from neighbor_helpers import groups_of_vectors, random_features, recall
from numpy.testing import assert_allclose
from sklearn.datasets import make_blobs

from sklearn_scan import SCANClusterer
from sklearn_scan.neighbors import _exact, mine_neighbors
from sklearn_scan.neighbors import _methods as methods
from sklearn_scan.neighbors._approximate import approximate_neighbors
from sklearn_scan.neighbors._inverted_files import InvertedFiles
from sklearn_scan.neighbors._unit_vectors import UnitVectors

GIGABYTE = 10**9


@pytest.fixture
def memory(monkeypatch):
    """Set the memory that is free."""

    def set_free(n_bytes):
        monkeypatch.setattr(methods, "free_memory", lambda device="cpu": n_bytes)

    set_free(10 * GIGABYTE)
    return set_free


@pytest.fixture
def nothing_is_small(monkeypatch):
    monkeypatch.setattr(methods, "_EXACT_ON_CPU", 0)


def test_auto_is_exact_of_tens_of_thousands(memory):
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert methods.choose_method(50_000, 1280, cpu) == "exact"
    assert methods.choose_method(400_000, 64, cpu) == "ivf_flat"
    assert methods.choose_method(1_000_000, 768, gpu) == "exact"
    memory(GIGABYTE)
    assert methods.choose_method(400_000, 64, cpu) == "ivf_sq8"


def test_auto_says_what_it_chose(memory, nothing_is_small, capsys):
    X = groups_of_vectors(500)
    graph = mine_neighbors(X, 5, random_state=0, verbose=1, device="cpu")
    assert graph.method == "ivf_flat"
    said = capsys.readouterr()
    assert "500 x 16, ivf_flat" in said.err
    assert f"recall {graph.recall_:.3f} with" in said.err
    assert said.out == ""
    mine_neighbors(X, 5, random_state=0, device="cpu")
    assert capsys.readouterr().err == ""


def test_without_faiss_auto_is_exact(monkeypatch, memory, nothing_is_small):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    assert mine_neighbors(random_features(), 5).method == "exact"
    for method in ("flat", "ivf_flat", "ivf_sq8"):
        with pytest.raises(
            ImportError, match="pip install faiss-cpu, or choose 'exact'"
        ):
            mine_neighbors(random_features(), 5, method=method)


def test_without_faiss_neighbours_are_those_with_it(monkeypatch, memory):
    with_faiss = mine_neighbors(random_features(), 5, method="flat")
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    with pytest.raises(ImportError):
        import faiss  # noqa: F401
    graph = mine_neighbors(random_features(), 5)
    assert graph.method == "exact"
    assert (graph.indices == with_faiss.indices).mean() > 0.99  # but for near ties


def test_clusterers_need_faiss_before_they_work(monkeypatch):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install faiss-cpu"):
        SCANClusterer(neighbor_method="ivf_flat").fit("no such images")


def test_of_few_features_selecting_takes_the_time(memory):
    assert methods.choose_method(1_000_000, 2, torch.device("cpu")) == "ivf_flat"


def test_an_index_goes_to_a_gpu_where_faiss_was_built_for_it(monkeypatch):
    taken = []
    monkeypatch.setattr(faiss, "StandardGpuResources", lambda: "room", raising=False)
    monkeypatch.setattr(
        faiss,
        "index_cpu_to_gpu",
        lambda room, number, index: taken.append((room, number)) or index,
        raising=False,
    )
    vectors = UnitVectors(groups_of_vectors(300), torch.device("cpu"))
    for device in ("cpu", "cuda:3"):
        approximate_neighbors(
            vectors,
            5,
            compressed=False,
            target_recall=0.9,
            rng=np.random.RandomState(0),
            device=torch.device(device),
        )
    assert taken == [("room", 3)]


def test_a_single_sample_whose_lists_are_short_looks_further(monkeypatch):
    search = InvertedFiles.search

    def search_in_vain(self, queries, k, n_probes):
        similarities, indices = search(self, queries, k, n_probes)
        if n_probes == 1:
            similarities[queries == 7], indices[queries == 7] = -torch.inf, -1
        return similarities, indices

    monkeypatch.setattr(InvertedFiles, "search", search_in_vain)
    X = groups_of_vectors(500)
    graph = mine_neighbors(X, 5, method="ivf_flat", target_recall=0.01, random_state=0)
    assert graph.indices.min() >= 0
    assert np.isfinite(graph.similarities).all()


@pytest.mark.parametrize("method", ["ivf_flat", "ivf_sq8"])
def test_a_higher_recall_is_found_when_asked_for(method):
    X = random_features(3000, 12)  # in no groups: neighbours lie across lists
    recalls = []
    for target in (0.5, 0.9, 0.99):
        graph = mine_neighbors(
            X, 10, method=method, target_recall=target, random_state=0
        )
        assert graph.recall_ >= target
        assert_allclose(recall(graph, X), graph.recall_, atol=0.02)
        recalls.append(graph.recall_)
    assert recalls == sorted(set(recalls))


def test_a_recall_of_one_is_exact():
    X = random_features(2000, 12)
    graph = mine_neighbors(X, 10, method="ivf_flat", target_recall=1.0, random_state=0)
    assert graph.recall_ == recall(graph, X) == 1


def test_what_cannot_be_reached_is_said():
    """Eight bits a number do not tell thousands of directions in a plane apart."""
    X = random_features(4000, 2)
    with pytest.warns(UserWarning, match=r"recall is 0\.\d+, below target_recall=0.95"):
        graph = mine_neighbors(X, 5, method="ivf_sq8", random_state=0)
    assert_allclose(recall(graph, X), graph.recall_, atol=0.08)


def test_samples_whose_lists_are_short_look_further():
    """Of many neighbours, and many lists of few samples."""
    X = groups_of_vectors(2000)
    graph = mine_neighbors(
        X, 300, method="ivf_flat", target_recall=0.01, random_state=0
    )
    assert graph.indices.min() >= 0
    assert np.isfinite(graph.similarities).all()


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        ("exact", "choose fewer"),
        ("ivf_flat", "choose method='ivf_sq8', .* fewer neighbours"),
        ("ivf_sq8", "choose method='exact', .* fewer neighbours"),
    ],
)
def test_too_little_memory(memory, method, advice):
    memory(10_000)
    with pytest.raises(
        MemoryError,
        match=rf"500 samples .* needs about .* GB, and 1e-05 GB .* {advice}",
    ):
        mine_neighbors(groups_of_vectors(500), 5, method=method)


def test_blocks_shrink_with_the_memory(monkeypatch):
    shapes = []
    for free in (10**6, 10**8, 10**10):
        monkeypatch.setattr(_exact, "free_memory", lambda device, free=free: free)
        shapes.append(_exact.block_shape(10**6, 100, torch.device("cpu")))
        n_columns, n_rows = shapes[-1]
        assert 4 * 100 * n_columns <= free / 8
        assert n_rows == 256 or 4 * n_columns * n_rows <= free / 8
    assert shapes == sorted(shapes)


@pytest.mark.parametrize("method", methods.METHODS)
def test_clusterers_take_every_method(method):
    X, y = make_blobs(600, n_features=12, centers=3, random_state=0)
    clusterer = SCANClusterer(3, neighbor_method=method, max_epochs=5, random_state=0)
    assert clusterer.fit(X).score(X, y) > 0.95
    assert clusterer.neighbors_.method == ("exact" if method == "auto" else method)
    assert clusterer.neighbors_.recall_ >= 0.95


def test_clusterers_name_the_methods_that_there_are():
    with pytest.raises(ValueError, match=r"neighbor_method must be one of .*'ivf_sq8'"):
        SCANClusterer(3, neighbor_method="hnsw").fit(random_features())
