"""Data frames: the labels as a table, and what `set_output` asks for."""

import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import sklearn
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR, TEMIClusterer, relabel
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.relabeling import Edits

pandas = pytest.importorskip("pandas")

X = load_digits().data[:60].astype(np.float32)
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
FAST = {"n_clusters": 3, "n_heads": 2, "max_epochs": 1, "self_label_epochs": 0}


def pool():
    return nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())


def make(kind=SCANClusterer, **settings):
    return kind(**FAST, random_state=0, precision="fp32", **settings)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short a fit finds little
        yield


# labels_frame


def test_a_row_for_each_image(tmp_path):
    for i, image in enumerate(IMAGES):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    (tmp_path / "7.png").write_bytes(b"no picture")
    paths = [str(tmp_path / f"{i}.png") for i in range(len(IMAGES))]
    clusterer = make(encoder=pool, bad_images="skip").fit(paths)
    frame = clusterer.labels_frame()
    assert list(frame.columns) == ["path", "label", "name", "confidence"]
    assert list(frame.path) == paths
    np.testing.assert_array_equal(frame.label, clusterer.labels_)
    np.testing.assert_array_equal(frame.confidence, clusterer.probabilities_.max(1))
    assert (frame.label[7], frame.name[7]) == (-1, "")
    assert np.isnan(frame.confidence[7])
    assert frame.confidence.notna().sum() == len(paths) - 1


def test_names_and_corrections_are_in_the_frame():
    clusterer = make().fit(X)
    row = int(np.flatnonzero(clusterer.labels_ == 0)[0])
    edits = Edits(names={0: "zeros", 1: "ones"}, moved={row: 1})
    frame = relabel(clusterer, edits).labels_frame()
    assert frame.path[row] == f"X[{row}]"
    assert (frame.label[row], frame.name[row]) == (1, "ones")
    others = frame.drop(row)
    assert set(others.name[others.label == 0]) == {"zeros"}


def test_a_table_that_fails_leaves_the_one_before(tmp_path):
    path = tmp_path / "labels.csv"
    table = LabelTable(["a\udcff.jpg"], np.array([0]), ["cats"], np.array([0.5]))
    table.write_csv(path)
    written = path.read_bytes()
    assert b"a\xff.jpg,0,cats,0.5000" in written
    with pytest.raises(UnicodeEncodeError):
        replace(table, paths=["\ud800"]).write_csv(path)
    assert path.read_bytes() == written
    assert [entry.name for entry in tmp_path.iterdir()] == ["labels.csv"]


def test_the_table_as_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    table = LabelTable.of(make().fit(X))
    confidence = table.confidence.copy()
    confidence[1] = np.nan
    table = replace(table, confidence=confidence)
    table.write(tmp_path / "labels.parquet")
    frame = pandas.read_parquet(tmp_path / "labels.parquet")
    assert list(frame.columns) == ["path", "label", "name", "confidence"]
    assert frame["path"].tolist() == list(table.paths)
    assert frame["label"].tolist() == table.labels.tolist()
    assert frame["name"].tolist() == table.names
    np.testing.assert_array_equal(frame["confidence"], confidence)
    table.write(tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text().startswith("path,label,name")


def test_without_pyarrow_there_is_no_parquet(monkeypatch, tmp_path):
    table = LabelTable.of(make().fit(X))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        table.write(tmp_path / "labels.parquet")


def test_without_pandas(monkeypatch):
    clusterer = make().fit(X)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="labels_frame needs pandas: pip install"):
        clusterer.labels_frame()


# set_output


@pytest.mark.parametrize("kind", [SCANClusterer, TEMIClusterer])
@pytest.mark.parametrize("data", [X, (X, X[:, :9])], ids=["one", "two"])
def test_clusterers_on_features(kind, data):
    clusterer = make(kind).set_output(transform="pandas").fit(data)
    frame = clusterer.transform(data)
    assert isinstance(frame, pandas.DataFrame)
    prefix = kind.__name__.lower()
    width = clusterer.embedding_.shape[1]
    assert list(frame.columns) == [f"{prefix}{i}" for i in range(width)]
    assert list(clusterer.get_feature_names_out()) == list(frame.columns)
    np.testing.assert_array_equal(frame, clusterer.embedding_)
    assert isinstance(clusterer.embedding_, np.ndarray)
    pandas.testing.assert_frame_equal(clone(clusterer).fit_transform(data), frame)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_probabilities_are_named_by_cluster(library):
    pytest.importorskip(library)
    clusterer = make().fit(X)
    clusterer = relabel(clusterer, Edits(names={0: "zeros", 1: "zeros", 2: "ones"}))
    plain = clusterer.predict_proba(X)
    frame = clusterer.set_output(transform=library).predict_proba(X)
    assert type(frame).__module__.startswith(library)
    assert list(frame.columns)[:3] == ["zeros (0)", "zeros (1)", "ones"]
    assert list(frame.columns)[3:] == clusterer.cluster_names_[3:]
    np.testing.assert_array_equal(frame.to_numpy(), plain)
    assert isinstance(plain, np.ndarray)
    assert isinstance(clusterer.probabilities_, np.ndarray)
    table = LabelTable.predicted(clusterer, X)
    np.testing.assert_array_equal(table.confidence, plain.max(axis=1))


def test_the_index_of_a_frame_stays():
    frame = pandas.DataFrame(X, index=np.arange(len(X)) + 100)
    frame.columns = [f"pixel {i}" for i in range(X.shape[1])]
    clusterer = make().set_output(transform="pandas").fit(frame)
    assert list(clusterer.transform(frame).index) == list(frame.index)
    assert list(clusterer.predict_proba(frame).index) == list(frame.index)


@pytest.mark.parametrize(
    "encoder",
    [pool, SimCLR(epochs=1), [pool, SimCLR(epochs=1)]],
    ids=["function", "pretext", "list"],
)
def test_a_setting_for_all_of_scikit_learn(encoder):
    plain = make(encoder=encoder).fit(IMAGES)
    with sklearn.config_context(transform_output="pandas"):
        clusterer = make(encoder=encoder).fit(IMAGES)
        assert isinstance(clusterer.transform(IMAGES), pandas.DataFrame)
        assert isinstance(clusterer.fit_transform(IMAGES), pandas.DataFrame)
        assert isinstance(clusterer.embedding_, np.ndarray)
        np.testing.assert_array_equal(clusterer.labels_, plain.labels_)
        np.testing.assert_array_equal(clusterer.predict(IMAGES), plain.labels_)
        assert isinstance(clusterer.predict_proba(IMAGES), np.ndarray)
    assert isinstance(clusterer.transform(IMAGES), np.ndarray)


@pytest.mark.parametrize(
    "encoder", [ImageEncoder(pool), SimCLR(epochs=1)], ids=["image", "pretext"]
)
def test_encoders(encoder):
    encoder = clone(encoder).set_output(transform="pandas").fit(IMAGES)
    frame = encoder.transform(IMAGES)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.columns[0] == f"{type(encoder).__name__.lower()}0"
    clusterer = make(encoder=encoder).fit(IMAGES)  # of which a copy makes frames too
    assert isinstance(clusterer.embedding_, np.ndarray)
