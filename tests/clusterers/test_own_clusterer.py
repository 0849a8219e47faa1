"""A clusterer of one's own: one file, one stage, and all the rest is there."""

import inspect
from importlib import import_module

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from sklearn_scan import SimCLR, load, relabel, save
from sklearn_scan.cli import main
from sklearn_scan.datasets import load_digits_images, make_shapes
from sklearn_scan.plotting import plot_clusters
from sklearn_scan.report import write_report
from sklearn_scan.results import registry
from sklearn_scan.results.relabeling import Edits

N_LINES = 60


@pytest.fixture(scope="module")
def X():
    return load_digits().data[:400]


@pytest.fixture(scope="module")
def kind():
    """The class, known while these tests run."""
    module = import_module("k_means_clusterer")
    registry.clusterer_classes["k-means"] = module.KMeansClusterer
    yield module.KMeansClusterer
    del registry.clusterer_classes["k-means"]


@pytest.fixture(scope="module")
def fitted(kind, X):
    return kind(10, random_state=0).fit(X)


def test_its_file_is_short(kind):
    source = inspect.getsource(inspect.getmodule(kind))
    assert len(source.splitlines()) < N_LINES


def test_its_clusters_are_those_of_k_means(fitted, X):
    deviation = X.std(axis=0)
    standardized = (X - X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    k_means = KMeans(10, n_init=10, random_state=0).fit(standardized)
    assert fitted.head_losses_[0] == pytest.approx(k_means.inertia_, rel=0.05)
    means = [standardized[fitted.labels_ == c].mean(axis=0) for c in range(10)]
    distances = np.linalg.norm(standardized[:, None] - np.array(means), axis=2)
    assert (distances.argmin(axis=1) == fitted.labels_).mean() > 0.98


def test_it_predicts(fitted, X):
    np.testing.assert_array_equal(fitted.predict(X), fitted.labels_)
    probabilities = fitted.predict_proba(X[:7])
    assert probabilities.shape == (7, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert 0 < fitted.score(X) < np.log(fitted.n_clusters_)
    assert fitted.to_torch() is not None


def test_it_clusters_features_in_a_file(fitted, kind, X, tmp_path):
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    from_disk = kind(10, random_state=0).fit(np.load(tmp_path / "X.npy", "r"))
    assert adjusted_rand_score(from_disk.labels_, fitted.labels_) > 0.9


def test_it_clusters_images(kind):
    digits = load_digits_images().images[:100]
    clusterer = kind(3, encoder=SimCLR(epochs=1), random_state=0).fit(digits)
    assert set(clusterer.predict(digits)) == {0, 1, 2}
    assert not clusterer.self_labeled_


def test_it_is_saved_and_loaded(fitted, kind, X, tmp_path):
    save(fitted, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert type(loaded) is kind
    np.testing.assert_array_equal(loaded.predict_proba(X), fitted.predict_proba(X))


def test_it_is_corrected_and_shown(fitted, tmp_path):
    images = load_digits_images().images[:400]
    named = relabel(fitted, Edits(names={0: "zeros"}, merged={9: 3}))
    assert named.n_clusters_ == 9
    write_report(tmp_path / "page.html", named, images, projection="pca")
    assert "zeros" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert plot_clusters(fitted, images) is not None


def test_the_command_knows_it(kind, tmp_path):
    shapes = make_shapes(30, 3, image_size=24, random_state=0)
    for i, image in enumerate(shapes.images):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    out = tmp_path / "out"
    options = ["--method", "k-means", "--encoder", "SimCLR", "--encoder-epochs", "1"]
    arguments = ["fit", str(tmp_path), "-k", "3", "-o", str(out), *options]
    result = CliRunner().invoke(main, [*arguments, "--memory", "none"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "30 photos in 3 clusters, by KMeansClusterer" in result.stdout
    assert type(load(out / "model")) is kind
