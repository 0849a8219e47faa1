"""Writing a report: what it takes, what it holds, and what it refuses."""

import base64
import json
import os
import re
import signal
import sys
import threading
from html.parser import HTMLParser

import numpy as np
import pytest
from report_helpers import make_clusterer, make_images, write_images
from sklearn.exceptions import NotFittedError
from torch import nn

from sklearn_scan import (
    GraphDegreeLinkage,
    ImageEncoder,
    JULEClusterer,
    SCANClusterer,
    TEMIClusterer,
)
from sklearn_scan.datasets import make_shapes
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import ImageSource
from sklearn_scan.report import write_report
from sklearn_scan.results.cluster_tree import cluster_tree
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.relabeling import Edits, relabel


class Parts(HTMLParser):
    """The data, the thumbnails and the addresses of a page."""

    def __init__(self, html):
        super().__init__()
        self.scripts, self.addresses, self._id = {}, [], None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "script":
            self._id = attrs.get("id", "code")
        self.addresses += [attrs[key] for key in ("src", "href") if key in attrs]

    def handle_endtag(self, tag):
        self._id = None

    def handle_data(self, data):
        if self._id:
            self.scripts[self._id] = self.scripts.get(self._id, "") + data


def read_parts(path):
    return Parts(path.read_text(encoding="utf-8"))


def read_data(path):
    return json.loads(read_parts(path).scripts["data"])


@pytest.fixture(scope="module")
def clusterer():
    return make_clusterer(24)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "report.html"


def test_one_file_that_loads_nothing(clusterer, path):
    write_report(path, clusterer, make_images())
    parts = read_parts(path)
    assert all(a.startswith(("#", "data:")) for a in parts.addresses)
    data = json.loads(parts.scripts["data"])
    assert data["run"] == LabelTable.of(clusterer).run
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', path.read_text())
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]


def test_it_holds_the_tree_of_clusters(clusterer, path):
    write_report(path, clusterer, make_images(), projection="pca")
    merges = read_data(path)["clusters"]["merges"]
    assert merges == cluster_tree(clusterer).children.tolist()


def test_the_same_twice(clusterer, path):
    write_report(path, clusterer, make_images(), random_state=3)
    first = path.read_bytes()
    write_report(path, clusterer, make_images(), random_state=3)
    assert path.read_bytes() == first


def test_files_and_their_folder(path, tmp_path):
    """Paths are kept for the download; what is shown is within their folder."""
    paths = write_images(
        tmp_path / "cats & dogs", [f"{i % 2}/{i}.png" for i in range(8)]
    )
    clusterer = make_clusterer(8, 2, names=paths)
    write_report(path, clusterer, paths)
    data = read_data(path)
    joined = [data["paths"]["folder"] + rest for rest in data["paths"]["rest"]]
    assert joined == paths
    assert data["paths"]["rest"][3] == "1/3.png"
    assert '<h1 id="title">cats &amp; dogs</h1>' in path.read_text()


def test_files_of_features(path, tmp_path):
    """The fit knew no files: they are shown, and its own names are downloaded."""
    paths = write_images(tmp_path, [f"{i}.png" for i in range(8)])
    write_report(path, make_clusterer(8, 2), paths)
    data = read_data(path)
    assert data["paths"] == {"folder": "", "rest": [f"X[{i}]" for i in range(8)]}
    assert data["names"]["rest"] == [f"{i}.png" for i in range(8)]


def test_a_folder_that_has_moved(path, tmp_path):
    paths = write_images(tmp_path, [f"{i}.png" for i in range(8)])
    was = [f"/elsewhere/{i}.png" for i in range(8)]
    clusterer = make_clusterer(8, 2, names=was)
    write_report(path, clusterer, paths)
    assert read_data(path)["paths"]["folder"] == "/elsewhere/"
    with pytest.raises(ValueError, match=r"order of the fit: images\[0\] is .*7\.png"):
        write_report(path, clusterer, paths[::-1])


def test_images_through_an_encoder(path):
    shapes = make_shapes(30, 3, image_size=16, random_state=0)
    encoder = ImageEncoder(nn.Flatten(), input_size=16)
    clusterer = SCANClusterer(
        3, encoder=encoder, n_neighbors=3, n_heads=2, max_epochs=5, random_state=0
    ).fit(shapes.images)
    names = np.array(shapes.target_names)[shapes.target]
    write_report(path, clusterer, shapes.images, y=names)
    text = path.read_text()
    assert "SCAN on Flatten" in text
    assert "ImageEncoder(model=Flatten, input_size=16)" in text
    assert "Agreement with the labels" in text


def test_temi_on_several_spaces(path):
    rng = np.random.default_rng(0)
    spaces = (rng.random((20, 4)), 100 * rng.random((20, 7)))
    clusterer = TEMIClusterer(
        2, n_neighbors=4, n_heads=2, max_epochs=3, random_state=0
    ).fit(spaces)
    write_report(path, clusterer, make_images(20))
    assert "TEMI on features as given (4 + 7)" in path.read_text()


def test_jule(path):
    images = make_images(20)
    clusterer = JULEClusterer(2, n_neighbors=4, max_epochs=1, random_state=0)
    clusterer.fit(np.random.default_rng(0).random((20, 4)))
    write_report(path, clusterer, images)
    text = path.read_text()
    assert "JULE on features as given (4)" in text
    assert "Learning the clusters" in text
    assert {curve["stage"] for curve in read_data(path)["curves"]} == {"JULE"}


def test_without_neighbors(clusterer, path):
    shapes = make_shapes(20, 2, image_size=16, random_state=0)
    backbone = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(48, 8))
    clusterer = SCANClusterer(
        2,
        encoder=ImageEncoder(backbone, input_size=16),
        finetune=True,
        n_neighbors=0,
        n_heads=2,
        max_epochs=2,
        self_label_epochs=0,
        random_state=0,
    ).fit(shapes.images)
    write_report(path, clusterer, shapes.images)
    assert read_data(path)["neighbors"] == {"each": 0, "rows": ""}


def test_a_file_that_is_gone(path, tmp_path):
    paths = write_images(tmp_path, [f"{i}.png" for i in range(8)])
    clusterer = make_clusterer(8, 2, names=paths)
    os.remove(paths[2])
    with pytest.warns(UserWarning, match="1 of 8 images cannot be read"):
        write_report(path, clusterer, paths)
    assert read_data(path)["unreadable"] == [[2, "no such file"]]


def test_all_files_gone(path, tmp_path):
    paths = [str(tmp_path / f"{i}.png") for i in range(8)]
    path.write_text("as it was")
    with pytest.raises(ImageReadError, match="8 images cannot be read"):
        write_report(path, make_clusterer(8, 2, names=paths), paths)
    assert path.read_text() == "as it was"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("projection", ["pca", "tsne"])
def test_all_images_alike(path, projection):
    """No place on the map tells them apart."""
    clusterer = make_clusterer(12, 2)
    clusterer.embedding_[:] = 1
    write_report(path, clusterer, make_images(12), projection=projection)
    places = np.frombuffer(base64.b64decode(read_data(path)["points"]), "<u2")
    assert len(set(places)) == 1


def test_labels_that_people_have_corrected(path):
    """Membership is by labels_, whatever the probabilities say."""
    clusterer = make_clusterer(24, 2)
    members = np.flatnonzero(clusterer.labels_ == 0)
    clusterer.labels_[members[1:]] = 1
    write_report(path, clusterer, make_images(24))
    assert read_data(path)["clusters"]["prototypes"][0] == members[0]


def facts_of(path):
    """Return the values of the overview's facts, by their names."""
    pairs = re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]*)</dd>", path.read_text())
    return dict(pairs)


def test_what_is_known_without_labels(path):
    clusterer = make_clusterer(60)
    write_report(path, clusterer, make_images(60), projection="pca")
    facts = facts_of(path)
    assert {"Groups", "Neighbours agree", "Stable", "Expected right"} < set(facts)
    assert facts["Groups"] in ("clear", "partly mixed", "mixed")
    expected = f"{clusterer.quality_.expected_accuracy:.0%}"
    assert facts["Expected right"] == expected.replace("%", "\N{NO-BREAK SPACE}%")
    assert "Too few images" not in facts


def test_few_images_are_said(clusterer, path):
    write_report(path, clusterer, make_images(), projection="pca")
    assert facts_of(path)["Too few images"] == "24"


def test_nothing_is_known_after_a_merge(clusterer, path):
    merged = relabel(clusterer, Edits(merged={0: 1}))
    write_report(path, merged, make_images(), projection="pca")
    known = {"Groups", "Neighbours agree", "Stable", "Expected right", "Too few images"}
    assert not known & set(facts_of(path))


def test_ctrl_c_waits_for_no_map(clusterer, path, monkeypatch):
    """While the map is drawn, in a thread that does not keep Python from ending."""
    threads, is_over = [], threading.Event()

    def map_embedding(embedding, **_):
        threads.append(threading.current_thread())
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        is_over.wait(30)
        return np.zeros((len(embedding), 2))

    monkeypatch.setattr("sklearn_scan.report._write.map_embedding", map_embedding)
    with pytest.raises(KeyboardInterrupt):
        write_report(path, clusterer, make_images())
    assert threads[0].daemon
    assert threads[0].is_alive()
    assert list(path.parent.iterdir()) == []
    is_over.set()
    threads[0].join()


NEWER_THAN_2022 = re.compile(
    r"light-dark\(|oklch\(|oklab|color-mix\(|@container|@layer|:has\(|[ ;]translate:|"
    r"[ ;]rotate:|\.to(?:Reversed|Sorted|Spliced)\(|\.findLast|\.groupBy\(|"
    r"\.(?:symmetricDifference|difference|intersection|union|isSubsetOf)\(|"
    r"structuredClone|withResolvers|\.hasOwn\(|/v;"
)


def test_older_browsers(clusterer, path):
    """Where the page would stay dead, or without colours."""
    write_report(path, clusterer, make_images(), projection="pca")
    text = path.read_text()
    code = read_parts(path).scripts["code"]
    style = "".join(re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL))
    assert "--accent" in style
    code = re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)
    assert NEWER_THAN_2022.findall(code + style) == []


def test_many_small_images_are_a_small_file(path):
    n_images = 1000
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (n_images, 28, 28), dtype=np.uint8)
    clusterer = make_clusterer(n_images, 5)
    write_report(path, clusterer, images, projection="pca")
    n_scripts = 2 + n_images / 100  # data, code and thumbnails
    assert len(read_parts(path).scripts) == n_scripts
    assert path.stat().st_size < 40e6 * n_images / 10_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": make_images(5)}, "images must be the 24 .* got 5"),
        ({"y": [0] * 5}, "labels must have as many labels as y_true, 5; got 24"),
        ({"y": [None] * 24}, "label for each sample"),
        ({"projection": "t-sne"}, "projection must be one of .* Did you mean 'tsne'"),
    ],
)
def test_wrong_input(clusterer, path, changes, message):
    arguments = {"images": make_images()} | changes
    with pytest.raises(ValueError, match=message):
        write_report(path, clusterer, **arguments)
    assert not path.exists()


def test_not_fitted(path):
    with pytest.raises(NotFittedError):
        write_report(path, SCANClusterer(), make_images())


def test_a_clusterer_without_a_model(path):
    linkage = GraphDegreeLinkage(2, n_neighbors=3)
    linkage.fit(np.random.default_rng(0).normal(size=(24, 3)))
    message = "GraphDegreeLinkage has no model of its clusters, which the report needs"
    with pytest.raises(TypeError, match=message):
        write_report(path, linkage, make_images())
    assert not path.exists()


class Untouched(ImageSource):
    """Images that must not be read: the path is to be looked at first."""

    def __len__(self):
        return 24

    def __getitem__(self, i):
        raise AssertionError("read before the path was looked at")


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing/report.html", FileNotFoundError, "in a folder that exists"),
        ("", IsADirectoryError, "path must be a file; got the folder"),
        ("n" * 252 + ".html", OSError, "name too long"),
    ],
)
def test_where_nothing_can_be_written(clusterer, tmp_path, name, error, message):
    with pytest.raises(error, match=message):
        write_report(tmp_path / name, clusterer, Untouched())
    assert list(tmp_path.iterdir()) == []


def test_without_permission(clusterer, tmp_path):
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(PermissionError, match="path cannot be written"):
        write_report(tmp_path / "report.html", clusterer, make_images())


def test_umap_that_is_not_there(clusterer, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match="needs umap-learn"):
        write_report(path, clusterer, make_images(), projection="umap")
    assert list(path.parent.iterdir()) == []


def test_jinja2_that_is_not_there(clusterer, path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match="write_report needs jinja2"):
        write_report(path, clusterer, make_images())


def test_features_in_the_place_of_images(clusterer, path):
    features = np.zeros((len(clusterer.labels_), 4))
    with pytest.raises(ValueError, match="not images") as caught:
        write_report(path, clusterer, features)
    assert "pass the images they are of" in caught.value.__notes__[0]
