"""Workers that embed the photos of a command."""

import sys

import numpy as np
import pytest
from cli_helpers import QUICK
from numpy.testing import assert_array_equal

from sklearn_scan.encoders import _shards

pytestmark = pytest.mark.usefixtures("end_workers")


@pytest.fixture
def few_images_a_task(monkeypatch):
    monkeypatch.setattr(_shards, "_LEAST", 8)


def encoder_options(weights):
    return ["--encoder", "test_resnet", "--weights", weights, "--n-jobs", 2]


def test_embed_and_predict_by_workers(
    call, photos, weights, tmp_path, few_images_a_task
):
    options = [photos, *encoder_options(weights), "--memory", "none"]
    call("embed", "-o", tmp_path / "plain.npy", *options)
    call("embed", "-o", tmp_path / "by.npy", *options, "--backend", "loky")
    assert_array_equal(np.load(tmp_path / "by.npy"), np.load(tmp_path / "plain.npy"))


def test_fit_by_workers_gives_the_same_labels(
    call, photos, weights, tmp_path, few_images_a_task
):
    options = [photos, *QUICK, "--n-jobs", 2, "--memory", "none"]
    call("fit", "-o", tmp_path / "plain", *options)
    call("fit", "-o", tmp_path / "by", *options, "--backend", "loky")
    labels = [(tmp_path / run / "labels.csv").read_text() for run in ("plain", "by")]
    assert labels[0] == labels[1]


def test_an_address_is_that_of_a_cluster(call, photos, tmp_path):
    output = tmp_path / "embedding.npy"
    for backend in ([], ["--backend", "loky"]):
        result = call(
            "embed", photos, "-o", output, "--address", "auto", *backend, expect=2
        )
        assert "pass --backend ray or dask" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("backend", "package"), [("ray", "ray"), ("dask", "distributed")]
)
def test_a_backend_that_is_not_installed(
    call, photos, tmp_path, monkeypatch, backend, package
):
    monkeypatch.setitem(sys.modules, package, None)
    output = tmp_path / "embedding.npy"
    result = call("embed", photos, "-o", output, "--backend", backend, expect=2)
    assert f'pip install "sklearn-scan[{backend}]"' in " ".join(result.output.split())
