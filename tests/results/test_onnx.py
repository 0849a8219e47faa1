"""A clusterer as an ONNX file, run by onnxruntime."""

import errno
import json
import logging
import sys
import warnings

import numpy as np
import pytest
import torch
from result_helpers import IMAGES, X, fit, mobilenet_encoder
from torch import nn

from sklearn_scan import JULEClusterer, SimCLR, TEMIClusterer, relabel
from sklearn_scan.exceptions import OnnxExportError
from sklearn_scan.results.relabeling import Edits

onnxruntime = pytest.importorskip("onnxruntime")


def to_floats(images):
    return images.transpose(0, 3, 1, 2).astype(np.float32) / 255


FLOATS = to_floats(IMAGES)


def export(clusterer, folder):
    """Return a session on the file, written without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clusterer.to_onnx(folder / "model.onnx")
    return onnxruntime.InferenceSession(folder / "model.onnx")


def assert_equal(clusterer, folder, data, *inputs):
    session = export(clusterer, folder)
    names = [each.name for each in session.get_inputs()]
    expected = clusterer.predict_proba(data)
    for rows in (slice(None), slice(0, 1), slice(3, 8)):
        fed = {name: each[rows] for name, each in zip(names, inputs, strict=True)}
        (probabilities,) = session.run(["probabilities"], fed)
        np.testing.assert_allclose(probabilities, expected[rows], atol=1e-4)
    return session


@pytest.mark.slow
def test_mobilenet(tmp_path):
    clusterer = fit(IMAGES, encoder=mobilenet_encoder(tmp_path, std=0.5))
    session = assert_equal(clusterer, tmp_path, IMAGES, FLOATS)
    (images,) = session.get_inputs()
    assert images.name == "images"
    assert images.shape[1:] == [3, 32, 32]
    assert isinstance(images.shape[0], str)  # any
    (settings,) = json.loads(
        session.get_modelmeta().custom_metadata_map["preprocessing"]
    )
    assert settings["mean"] == [0.5, 0.5, 0.5]
    assert settings["input_size"] == 32


@pytest.mark.slow
def test_a_network_from_nothing_among_several(tmp_path):
    encoders = [
        SimCLR(epochs=1, image_size=32),
        SimCLR("test_vit", epochs=1, image_size=32),
    ]
    clusterer = fit(IMAGES, encoder=encoders)
    crop = clusterer.to_torch().preprocessings[1].crop  # a little less than all of it
    cropped = np.stack([crop(image) for image in IMAGES])
    session = assert_equal(clusterer, tmp_path, IMAGES, FLOATS, to_floats(cropped))
    assert [each.name for each in session.get_inputs()] == ["images_0", "images_1"]


def test_features_of_a_relabelled_model(tmp_path, capfd, caplog):
    caplog.set_level(logging.WARNING)
    edits = Edits(names={0: "Äpfel 🍎"}, merged={2: 1}, groups={4: "new"}, moved={0: 4})
    clusterer = relabel(fit(X), edits)
    before = torch.get_rng_state(), logging.getLogger("torch.onnx").level
    session = assert_equal(clusterer, tmp_path, X, X)
    assert [each.name for each in session.get_inputs()] == ["features"]
    metadata = session.get_modelmeta().custom_metadata_map
    names = ["Äpfel 🍎", "cluster 1", "cluster 3", "new"]
    assert json.loads(metadata["cluster_names"]) == names
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert torch.equal(torch.get_rng_state(), before[0])
    assert logging.getLogger("torch.onnx").level == before[1]


def test_temi_of_feature_arrays(tmp_path):
    spaces = (X, X[:, :20])
    assert_equal(fit(spaces, TEMIClusterer), tmp_path, spaces, *spaces)


@pytest.mark.parametrize("data", [X, IMAGES], ids=["features", "images"])
def test_jule(data, tmp_path):
    inputs = X if data is X else FLOATS
    assert_equal(fit(data, JULEClusterer), tmp_path, data, inputs)


class Moody(nn.Module):
    """A network that does what ONNX has no word for."""

    def forward(self, images):
        means = images.mean(dim=(2, 3))
        return means * 2 if float(means.sum()) > 0 else means


def test_what_onnx_does_not_express(tmp_path):
    clusterer = fit(IMAGES, encoder=Moody())
    with pytest.raises(OnnxExportError, match="parts that ONNX does not express"):
        clusterer.to_onnx(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_weights_of_large_networks_are_in_a_file_of_their_own(tmp_path, monkeypatch):
    module = sys.modules["torch.onnx._internal.exporter._onnx_program"]
    monkeypatch.setattr(module, "_LARGE_MODEL_THRESHOLD", 0)
    assert_equal(fit(X), tmp_path, X, X)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model.onnx", "model.onnx.data"}


def test_a_file_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "model.onnx").write_text("of before")
    clusterer = fit(X)
    with pytest.raises(FileNotFoundError, match="path must be in a folder that exists"):
        clusterer.to_onnx(tmp_path / "none" / "model.onnx")

    def full(path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sklearn_scan.core.disk.sync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*model\.onnx"):
        clusterer.to_onnx(tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "of before"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("missing", ["onnx", "onnxscript"])
def test_without_onnx(missing, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-scan\[onnx\]'"):
        fit(X).to_onnx(tmp_path / "model.onnx")
