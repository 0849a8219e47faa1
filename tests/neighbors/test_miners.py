"""What every miner promises: one suite for all of them."""

import tempfile

import numpy as np
import pytest
import torch
from neighbor_helpers import (
    EXACT,
    METRICS,
    MINERS,
    assert_nobody_is_their_own_neighbor,
    assert_similar,
    groups_of_vectors,
    random_features,
    recall,
    reference,
    rounded,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestNeighbors

from sklearn_scan.neighbors import mine_neighbors


@pytest.fixture(params=MINERS)
def miner(request):
    return request.param


@pytest.fixture(params=METRICS)
def metric(request):
    return request.param


def mine(X, n_neighbors, method, **settings):
    return mine_neighbors(X, n_neighbors, method=method, random_state=0, **settings)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize(
    ("n_samples", "n_neighbors"), [(2, 1), (3, 2), (60, 1), (60, 7), (60, 59)]
)
def test_few_samples(miner, metric, n_samples, n_neighbors, center):
    """So few lie in one list, which even an approximate miner compares whole."""
    X = random_features(n_samples)
    graph = mine(X, n_neighbors, miner, metric=metric, center=center)
    indices, similarities = reference(X, n_neighbors, metric=metric, center=center)
    assert_array_equal(graph.indices, indices)
    assert_similar(graph, similarities)
    assert graph.n_neighbors == n_neighbors
    assert (graph.method, graph.metric) == (miner, metric)
    assert graph.recall_ == 1


def similarities_of(graph, X):
    """Compute those of the neighbours in a graph."""
    X = X.astype(np.float64)
    if graph.metric == "euclidean":
        return -np.linalg.norm(X[:, None] - X[graph.indices], axis=2)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    return np.einsum("nd,nkd->nk", unit, unit[graph.indices])


@pytest.mark.parametrize("n_neighbors", [1, 20, 50])
def test_many_samples(miner, metric, n_neighbors):
    X = groups_of_vectors(4000)
    graph = mine(X, n_neighbors, miner, metric=metric)
    assert_nobody_is_their_own_neighbor(graph)
    assert all(len(set(row)) == n_neighbors for row in graph.indices.tolist())
    assert (graph.similarities[:, :-1] >= graph.similarities[:, 1:]).all()
    indices, similarities = reference(X, n_neighbors, metric=metric)
    if miner in EXACT:
        assert_array_equal(graph.indices, indices)
        assert_similar(graph, similarities)
        assert graph.recall_ == 1
    else:
        # of what is found, the similarities are exact
        assert_similar(graph, similarities_of(graph, X))
        assert graph.recall_ >= 0.95
        assert_allclose(recall(graph, X), graph.recall_, atol=0.02)


@pytest.mark.parametrize("method", EXACT)
def test_exact_neighbors_are_scikit_learns(metric, method):
    X = groups_of_vectors(n_samples=3000, n_features=32)
    search = NearestNeighbors(metric=metric, algorithm="brute").fit(X)
    distances, indices = search.kneighbors(n_neighbors=20)
    graph = mine(X, 20, method, metric=metric)
    apart = np.diff(distances, axis=1) > 1e-6  # where its own rounding decides nothing
    settled = np.hstack([apart[:, :1], apart[:, :-1] & apart[:, 1:]])
    assert settled.mean() > 0.95
    assert_array_equal(graph.indices[:, :-1][settled], indices[:, :-1][settled])
    similarities = 1 - distances if metric == "cosine" else -distances
    assert_similar(graph, similarities)


def test_types_are_as_documented(miner, metric):
    graph = mine(random_features(), 3, miner, metric=metric)
    assert graph.indices.dtype == np.int64
    assert graph.similarities.dtype == np.float32


def test_length_does_not_matter(miner):
    X = random_features()
    scale = np.geomspace(1e-290, 1e290, len(X))[:, None]
    assert_array_equal(mine(X, 5, miner).indices, mine(scale * X, 5, miner).indices)


def test_the_default_number_format_does_not_matter(miner, metric):
    X = groups_of_vectors(300)
    expected = mine(X, 5, miner, metric=metric)
    torch.set_default_dtype(torch.float64)
    try:
        found = mine(X, 5, miner, metric=metric)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.similarities.dtype == np.float32
    assert_array_equal(found.indices, expected.indices)


def test_short_and_long_rows_of_single_precision(miner):
    X = random_features().astype(np.float32)
    scale = np.geomspace(1e-36, 1e36, len(X), dtype=np.float32)[:, None]
    graph = mine(scale * X, 5, miner)
    assert_array_equal(graph.indices, mine(X, 5, miner).indices)


@pytest.mark.parametrize("n_neighbors", [1, 5, 11])
def test_duplicates_are_neighbors_but_not_of_themselves(miner, metric, n_neighbors):
    X = np.repeat(random_features(3), 12, axis=0)
    graph = mine(X, n_neighbors, miner, metric=metric)
    assert_nobody_is_their_own_neighbor(graph)
    assert (graph.indices // 12 == np.arange(36)[:, None] // 12).all()
    first_of_them, _ = reference(X, n_neighbors, metric=metric)
    assert_array_equal(graph.indices, first_of_them)


@pytest.mark.parametrize("method", EXACT)
def test_more_duplicates_than_neighbors(metric, method):
    """Equal similarities come by index, wherever blocks begin."""
    X = np.repeat(random_features(4, 16), 500, axis=0)
    X[::3] = 0
    graph = mine(X, 20, method, metric=metric)
    indices, similarities = reference(X, 20, metric=metric)
    assert_array_equal(graph.indices, indices)
    assert_similar(graph, similarities)


def test_a_row_of_zeros_is_equally_unlike_all_others(miner):
    X = random_features()
    X[[3, 8]] = 0
    graph = mine(X, 59, miner)
    assert not graph.similarities[[3, 8]].any()
    indices, similarities = reference(X, 59)
    assert_array_equal(graph.indices, indices)
    assert_allclose(graph.similarities, similarities, atol=1e-6)


def test_samples_that_are_all_the_same(miner, metric):
    graph = mine(np.ones((50, 3)), 4, miner, metric=metric)
    assert_array_equal(graph.indices, reference(np.ones((50, 3)), 4)[0])
    similarity = 1 if metric == "cosine" else 0
    assert_allclose(graph.similarities, similarity, atol=1e-6)


@pytest.mark.parametrize("n_features", [1, 2, 300])
def test_any_number_of_features(miner, metric, n_features):
    X = random_features(60, n_features)
    graph = mine(X, 6, miner, metric=metric)
    assert_array_equal(graph.indices, reference(X, 6, metric=metric)[0])


def read_only(X):
    X = X.astype(np.float32)
    X.flags.writeable = False
    return X


def memory_map(X):
    with tempfile.TemporaryFile() as file:
        file.write(X.astype(np.float16).tobytes())
        file.flush()
        return np.memmap(file, np.float16, mode="r", shape=X.shape)


FORMATS = {
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
    "columns first": np.asfortranarray,
    "read-only": read_only,
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "backwards": lambda X: X[::-1].copy()[::-1],
    "big-endian": lambda X: X.astype(">f4"),
    "memory map": memory_map,
    "list": np.ndarray.tolist,
    "tensor": torch.from_numpy,
    "half tensor": lambda X: torch.from_numpy(X).half(),
    "bfloat16 tensor": lambda X: torch.from_numpy(X).bfloat16(),
    "transposed tensor": lambda X: torch.from_numpy(X.T.copy()).T,
    "tensor with a gradient": lambda X: torch.from_numpy(
        X.astype(np.float32)
    ).requires_grad_(),
}


@pytest.mark.parametrize("convert", FORMATS.values(), ids=FORMATS)
def test_any_format_is_read_and_left_unchanged(miner, metric, convert):
    X = random_features().round(1)
    X = torch.from_numpy(X).bfloat16().double().numpy()  # the same in all formats
    given = convert(X)
    before = given.clone() if isinstance(given, torch.Tensor) else np.array(given)
    graph = mine(given, 5, miner, metric=metric, center=True)
    indices, similarities = reference(X, 5, metric=metric, center=True)
    assert_array_equal(graph.indices, indices)
    assert_similar(graph, similarities)
    after = given if isinstance(given, torch.Tensor) else np.array(given)
    assert (after == before).all()


class Watched(np.memmap):
    """An array in a file that notes the most rows that were read at once."""

    most = 0

    def __getitem__(self, rows):
        read = super().__getitem__(rows)
        if np.ndim(read) == 2:
            Watched.most = max(Watched.most, len(read))
        return read


def test_a_memory_map_is_never_read_whole(miner, metric, tmp_path, monkeypatch):
    X = groups_of_vectors(3000).astype(np.float16)
    np.save(tmp_path / "X.npy", X)
    watched = np.load(tmp_path / "X.npy", mmap_mode="r").view(Watched)
    monkeypatch.setattr("sklearn_scan.core.rows._BLOCK_ELEMENTS", 16 * 250)
    monkeypatch.setattr(Watched, "most", 0)
    graph = mine(watched, 5, miner, metric=metric, center=True)
    assert 0 < Watched.most <= 250
    monkeypatch.undo()
    assert_array_equal(
        graph.indices, mine(X, 5, miner, metric=metric, center=True).indices
    )


@pytest.mark.parametrize("offset", [10, 1e3, 1e4])
def test_a_mean_far_away_is_taken_off_exactly(miner, metric, offset):
    X = (0.1 * random_features() + offset).astype(np.float32)
    graph = mine(X, 5, miner, metric=metric, center=True)
    indices, similarities = reference(X, 5, metric=metric, center=True)
    assert_array_equal(graph.indices, indices)
    assert_allclose(graph.similarities, similarities, atol=2e-6)


@pytest.mark.parametrize("many", [1, 8])
@pytest.mark.parametrize("method", EXACT)
def test_samples_in_the_order_of_their_groups(metric, monkeypatch, method, many):
    """Then much of what is found at first is not of the nearest."""
    monkeypatch.setattr("sklearn_scan.neighbors._all_pairs._MOST_WAITING", many)
    monkeypatch.setattr("sklearn_scan.neighbors._exact._LEAST_ROWS", 100)
    monkeypatch.setattr("sklearn_scan.neighbors._exact._MOST_BYTES_ON_CPU", 4 * 3000)
    X = rounded(groups_of_vectors(3000, n_features=4, n_groups=3), metric)
    X = X[np.argsort(X[:, 0])]
    assert_array_equal(
        mine(X, 8, method, metric=metric).indices, reference(X, 8, metric=metric)[0]
    )


def test_many_of_the_samples_are_zero(miner, metric):
    """They are all of one list."""
    X = groups_of_vectors(2000)
    X[: 1500 + 1] = 0
    graph = mine(X, 5, miner, metric=metric)
    assert_nobody_is_their_own_neighbor(graph)
    assert recall(graph, X) > 0.95


def test_integers(miner, metric):
    X = np.random.default_rng(0).integers(0, 255, (80, 12), dtype=np.uint8)
    assert_array_equal(
        mine(X, 5, miner, metric=metric).indices, reference(X, 5, metric=metric)[0]
    )


def test_the_same_seed_gives_the_same_graph(miner, metric):
    X = groups_of_vectors(n_samples=3000)
    graphs = [mine(X, 10, miner, metric=metric) for _ in range(2)]
    assert_array_equal(graphs[0].indices, graphs[1].indices)
    assert_array_equal(graphs[0].similarities, graphs[1].similarities)


def test_global_states_are_left_alone(miner):
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    mine(groups_of_vectors(n_samples=500), 5, miner)
    assert torch.equal(torch.get_rng_state(), before)
    assert_array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002


@pytest.mark.parametrize("n_columns", [1, 3, 64, 700])
@pytest.mark.parametrize("n_rows", [1, 7, 700])
@pytest.mark.parametrize("method", EXACT)
def test_blocks_make_no_difference(metric, monkeypatch, method, n_rows, n_columns):
    X = rounded(groups_of_vectors(n_samples=700)[:, :5], metric)
    indices, similarities = reference(X, 5, metric=metric)
    monkeypatch.setattr("sklearn_scan.neighbors._exact._MOST_COLUMNS", n_columns)
    monkeypatch.setattr("sklearn_scan.neighbors._exact._LEAST_ROWS", n_rows)
    monkeypatch.setattr("sklearn_scan.neighbors._exact._MOST_BYTES_ON_CPU", 4 * 700)
    blocks = mine(X, 5, method, metric=metric)
    assert_array_equal(blocks.indices, indices)
    assert_similar(blocks, similarities)


def test_neighbors_hardly_apart_are_in_the_right_order():
    """In single precision their similarities are the same."""
    angles = 0.5 + 1e-8 * np.random.default_rng(0).permutation(16)
    X = np.r_[[[1.0, 0.0]], np.c_[np.cos(angles), np.sin(angles)]]
    expected = 1 + np.argsort(angles)
    graph = mine_neighbors(X, 10, method="exact")
    assert_array_equal(graph.indices[0], expected[:10])


ERRORS = [
    (np.ones(5), {}, ValueError, r"shape \(n, d\), .* got shape \(5,\)"),
    (np.ones((5, 2, 2)), {}, ValueError, r"got shape \(5, 2, 2\)"),
    (np.ones((5, 0)), {}, ValueError, r"d of one or more; got shape \(5, 0\)"),
    (torch.ones(5, 2) * 1j, {}, ValueError, "real numbers; got torch.complex64"),
    (np.array([["a"], ["b"]]), {}, ValueError, "real numbers; got <U1"),
    (np.ones((5, 2)), {"n_neighbors": 5}, ValueError, "below .* samples, 5; got 5"),
    (np.ones((5, 2)), {}, ValueError, "below .* samples, 5; got 20"),
    (np.ones((1, 2)), {"n_neighbors": 1}, ValueError, "below .* samples, 1; got 1"),
    (np.ones((0, 2)), {"n_neighbors": 1}, ValueError, "below .* samples, 0; got 1"),
    (np.ones((5, 2)), {"n_neighbors": 0}, ValueError, "n_neighbors"),
    (np.ones((5, 2)), {"n_neighbors": 2.5}, TypeError, "n_neighbors"),
    (np.ones((5, 2)), {"n_neighbors": True}, TypeError, "n_neighbors"),
    (np.ones((5, 2)), {"n_neighbors": 1, "device": "gpu"}, ValueError, "device"),
    (np.ones((5, 2)), {"n_neighbors": 1, "target_recall": 0}, ValueError, "target_r"),
    (np.ones((5, 2)), {"n_neighbors": 1, "target_recall": 2}, ValueError, "target_r"),
]


@pytest.mark.parametrize(("X", "settings", "error", "message"), ERRORS)
def test_errors_name_the_parameter(miner, metric, X, settings, error, message):
    with pytest.raises(error, match=message):
        mine_neighbors(X, method=miner, metric=metric, **settings)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_name_their_rows(miner, bad):
    X = random_features(50)
    X[7, 2] = bad
    with pytest.raises(ValueError, match=r"must be finite; row 7 contains"):
        mine(X, 3, miner)
    X[10:40:2] = bad
    with pytest.raises(ValueError, match=r"rows 7, 10, 12, 14, 16 and 11 more contain"):
        mine(torch.from_numpy(X), 3, miner)


def test_an_unknown_method():
    with pytest.raises(ValueError, match=r"\['auto', 'exact', 'flat', .*mean 'exact'"):
        mine_neighbors(np.ones((5, 2)), 1, method="exat")


def test_an_unknown_metric():
    with pytest.raises(ValueError, match=r"metric .*'euclidean'.*mean 'euclidean'"):
        mine_neighbors(np.ones((5, 2)), 1, metric="euclid")


def test_devices_without_doubles(monkeypatch):
    """Such as MPS: tensors are brought here before they are converted."""
    X = torch.from_numpy(random_features().astype(np.float32))
    expected = mine_neighbors(X, 5, center=True)

    class Elsewhere(torch.Tensor):
        def double(self):
            raise TypeError("this device has no doubles")

        def cpu(self):
            return self.as_subclass(torch.Tensor)

    graph = mine_neighbors(X.as_subclass(Elsewhere), 5, center=True, device="cpu")
    assert_array_equal(graph.indices, expected.indices)
