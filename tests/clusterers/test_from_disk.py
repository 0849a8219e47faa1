"""Fits on features in a file: as good as in memory, without reading them whole."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV

from sklearn_scan import JULEClusterer, SCANClusterer, TEMIClusterer, load, save
from sklearn_scan.clusterers.defaults import (
    heads_schedule,
    self_labeling_schedule,
)
from sklearn_scan.model_selection import TransductiveSplit, label_free_score
from sklearn_scan.neighbors import mine_neighbors

N = 600
SCAN = {"n_clusters": 5, "n_heads": 4, "max_epochs": 4, "self_label_epochs": 3}
TEMI = {"n_clusters": 5, "n_heads": 2, "max_epochs": 6, "self_label_epochs": 2}
JULE = {"n_clusters": 5, "max_epochs": 2, "self_label_epochs": 2}
CLUSTERERS = [
    SCANClusterer(**SCAN, confidence_threshold=0.8, random_state=0),
    TEMIClusterer(**TEMI, confidence_threshold=0.5, random_state=0),
    JULEClusterer(**JULE, confidence_threshold=0.5, random_state=0),
]


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(N, 12, centers=5, cluster_std=3.0, random_state=0)


@pytest.fixture
def to_disk(tmp_path):
    def write(values, dtype=np.float32, order="C", mode="r"):
        path = tmp_path / "features"
        mapped = np.memmap(path, dtype, "w+", shape=values.shape, order=order)
        mapped[:] = values
        mapped.flush()
        return np.memmap(path, dtype, mode, shape=values.shape, order=order)

    return write


@pytest.fixture
def many(monkeypatch):
    """Make 600 samples more than all are looked at at once, and read so."""
    monkeypatch.setattr("sklearn_scan.core.sampling.MOST_DRAWN", 150)
    monkeypatch.setattr("sklearn_scan.core.rows._BLOCK_ELEMENTS", 100 * 12)
    monkeypatch.setattr("sklearn_scan.core.mapped_rows._AT_ONCE", 100 * 12)
    monkeypatch.setattr("sklearn_scan.core.mapped_rows._ROWS_AT_ONCE", 100)
    monkeypatch.setattr("sklearn_scan.clusterers.stages.base._ROWS", 100)
    monkeypatch.setattr("sklearn_scan.clusterers.stages.merging_periods._ROWS", 100)


class Watched(np.memmap):
    """A memmap that keeps how many rows were read at once."""

    largest = 0

    def __getitem__(self, index):
        part = np.array(super().__getitem__(index), subok=False)
        if part.ndim == 2:
            Watched.largest = max(Watched.largest, len(part))
        return part

    def astype(self, *args, **kwargs):
        raise AssertionError("converted whole")

    def __array_function__(self, function, *args, **kwargs):
        if function is not np.may_share_memory:
            raise AssertionError(f"{function.__name__} of all")
        return super().__array_function__(function, *args, **kwargs)


def names(clusterer):
    return type(clusterer).__name__


@pytest.mark.parametrize("clusterer", CLUSTERERS, ids=names)
@pytest.mark.parametrize("drawn", [False, True])
def test_a_fit_on_a_file_is_as_in_memory(clusterer, drawn, blobs, to_disk, request):
    if drawn:
        request.getfixturevalue("many")
    X = blobs[0].astype(np.float32)
    in_memory = clone(clusterer).fit(X)
    from_disk = clone(clusterer).fit(to_disk(X))
    assert adjusted_rand_score(in_memory.labels_, from_disk.labels_) > 0.99
    assert adjusted_rand_score(blobs[1], from_disk.labels_) > 0.95
    # the same training, but for rounding
    difference = np.abs(in_memory.probabilities_ - from_disk.probabilities_)
    assert difference.mean() < 0.01
    assert in_memory.self_labeled_ == from_disk.self_labeled_
    assert {record["stage"] for record in from_disk.history_} > {"self-labelling"}
    np.testing.assert_array_equal(
        in_memory.neighbors_.indices, from_disk.neighbors_.indices
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4", ">f2", "i2", "u1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_format(dtype, order, blobs, to_disk, many):
    X, y = blobs
    X = (4 * (X - X.min())).astype(dtype)
    mapped = to_disk(X, dtype, order)
    clusterer = clone(CLUSTERERS[0]).fit(mapped)
    assert adjusted_rand_score(y, clusterer.labels_) > 0.95
    assert clusterer.embedding_ is mapped
    assert clusterer.transform(mapped) is mapped
    of_array = clusterer.predict_proba(X.astype(np.float32))
    np.testing.assert_array_equal(clusterer.predict_proba(mapped), of_array)
    np.testing.assert_array_equal(clusterer.predict(mapped), clusterer.labels_)
    assert clusterer.score(mapped, y) > 0.95


def test_slices_of_files(blobs, to_disk):
    X, y = blobs
    mapped = to_disk(np.c_[np.zeros(N), X], mode="r+")
    part = mapped[::2, 1:]
    clusterer = clone(CLUSTERERS[0]).fit(part)
    assert clusterer.embedding_ is part
    assert clusterer.n_features_in_ == 12
    assert adjusted_rand_score(y[::2], clusterer.labels_) > 0.95
    # what is a memmap by name only is in memory, and the user's to change
    copied = clone(CLUSTERERS[0]).fit(mapped.copy())
    assert copied.embedding_.dtype == np.float32
    assert not isinstance(copied.embedding_, np.memmap)


@pytest.mark.parametrize("n_clusters", [5, "auto"])
@pytest.mark.parametrize("clusterer", CLUSTERERS, ids=names)
def test_the_file_is_never_read_whole(clusterer, n_clusters, blobs, to_disk, many):
    graph = mine_neighbors(blobs[0], 20)
    watched = to_disk(blobs[0]).view(Watched)
    settings = {"n_clusters": n_clusters, "batch_size": 64}
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        # "auto" looks at a sample of its own
        patch.setattr("sklearn_scan.model_selection._n_clusters._SAMPLE", 150)
        patch.setattr("sklearn_scan.model_selection._n_clusters._LARGEST_SAMPLE", 150)
        Watched.largest = 0
        fitted = clone(clusterer).set_params(**settings).fit(watched, neighbors=graph)
        assert 64 < Watched.largest <= 150
        Watched.largest = 0
        fitted.predict(watched)
        fitted.predict_proba(watched)
        fitted.score(watched)
        assert 0 < Watched.largest <= 150


def test_many_samples_are_clustered_from_a_sample(blobs, many):
    X, y = blobs
    fitted = SCANClusterer(**SCAN, random_state=0).fit(X)
    again = SCANClusterer(**SCAN, random_state=0).fit(X)
    assert adjusted_rand_score(y, fitted.labels_) > 0.95
    np.testing.assert_array_equal(fitted.probabilities_, again.probabilities_)
    assert fitted.neighbors_.indices.shape == (N, 20)


def test_a_score_of_many_is_that_of_a_sample(blobs, monkeypatch):
    X, y = blobs
    whole = label_free_score(y, X)
    monkeypatch.setattr("sklearn_scan.core.sampling.MOST_DRAWN", 300)
    drawn = label_free_score(y, X)
    assert drawn != whole
    assert drawn == pytest.approx(whole, abs=0.05)
    assert drawn == label_free_score(y, X)
    X = X.copy()
    X[7] = np.nan
    with pytest.raises(ValueError, match="features must be finite; row 7"):
        label_free_score(y, X)


def test_rows_that_are_not_finite_are_named(blobs, to_disk):
    X = blobs[0].copy()
    fitted = clone(CLUSTERERS[0]).fit(X)
    X[41, 3] = np.inf
    for call in (clone(CLUSTERERS[0]).fit, fitted.predict, fitted.transform):
        with pytest.raises(ValueError, match=r"X must be finite; row 41 contains"):
            call(to_disk(X))
    with pytest.raises(ValueError, match="12 features"):
        fitted.predict(to_disk(X[:, :9]))
    with pytest.raises(ValueError, match="n_samples"):
        clone(CLUSTERERS[0]).fit(to_disk(X[:1]))


def test_copies_need_no_file(blobs, to_disk, tmp_path):
    mapped = to_disk(blobs[0], np.float16)
    fitted = clone(CLUSTERERS[0]).fit(mapped)
    save(fitted, tmp_path / "model")
    for other in (pickle.loads(pickle.dumps(fitted)), load(tmp_path / "model")):
        np.testing.assert_array_equal(other.labels_, fitted.labels_)
        np.testing.assert_array_equal(other.embedding_, mapped)
        np.testing.assert_array_equal(other.predict(mapped), fitted.labels_)
        assert not np.may_share_memory(other.embedding_, mapped)
    assert not hasattr(clone(fitted), "embedding_")


def test_a_search_over_a_file(blobs, to_disk):
    search = GridSearchCV(
        clone(CLUSTERERS[0]), {"n_clusters": [2, 5]}, cv=TransductiveSplit()
    ).fit(to_disk(blobs[0]))
    assert search.best_params_ == {"n_clusters": 5}


@pytest.mark.parametrize(
    ("n_samples", "first", "second"),
    [
        (1_000, 30, 50),
        (30_000, 5, 50),
        (60_000, 5, 50),
        (65_536, 5, 46),
        (200_000, 2, 15),
        (1_000_000, 1, 5),
        (9_000_000, 1, 5),
    ],
)
def test_auto_makes_fewer_passes_over_more_samples(n_samples, first, second):
    assert heads_schedule(n_samples).n_epochs == first
    auto = self_labeling_schedule(n_samples, trains_backbone=False)
    assert auto.n_epochs == second


MEMORY = """
import sys
import numpy as np
from sklearn_scan import SCANClusterer
from sklearn_scan.clusterers.stages import starts
from sklearn_scan.core import sampling
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.training.heads import _kernel_features

sampling.MOST_DRAWN = starts.MOST_PARTITIONED = _kernel_features._MOST_SAMPLES = 2000
N, D = 200_000, 512
rng = np.random.default_rng(0)
y = rng.integers(0, 4, N)
X = np.memmap(sys.argv[1], np.float16, "w+", shape=(N, D))
for start in range(0, N, 10_000):
    rows = slice(start, start + 10_000)
    X[rows] = 3 * np.eye(4, D)[y[rows]] + rng.normal(size=(10_000, D)) / 4
order = y.argsort(kind="stable")
indices = np.empty((N, 5), np.int64)
for step in range(5):
    indices[order, step] = np.roll(order, step + 1)
graph = NeighborGraph(indices, np.ones((N, 5), np.float32))

def anonymous():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["RssAnon"].split()[0]) * 1024

settings = dict(n_clusters=4, n_heads=2, max_epochs=1, self_label_epochs=1)
small = np.memmap(sys.argv[1], np.float16, "r", shape=(4000, D))
SCANClusterer(**settings, random_state=0).fit(small)  # what is loaded once

from threading import Event, Thread
before, peak, done = anonymous(), 0, Event()
def watch():
    global peak
    while not done.wait(0.01):
        peak = max(peak, anonymous())
watcher = Thread(target=watch)
watcher.start()
clusterer = SCANClusterer(**settings, random_state=0).fit(X, neighbors=graph)
done.set()
watcher.join()
from sklearn.metrics import adjusted_rand_score
print((peak - before) / (N * D * 4), adjusted_rand_score(y, clusterer.labels_))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_a_fraction_of_the_features(tmp_path):
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "features")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    share, agreement = map(float, result.stdout.split())
    assert share < 0.4  # of what the features would take in single precision
    assert agreement > 0.95
