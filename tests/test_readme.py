"""The README's Python snippets run, in order, and print what they say."""

import doctest
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from sklearn_scan._device import isolated_rng
from sklearn_scan.encoders import DEFAULT_MODEL

README = Path(__file__).resolve().parents[1] / "README.md"


def make_photos(folder):
    """Write twelve photos of each of three colours."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i, color in enumerate(np.repeat(np.eye(3) * 150, 12, axis=0)):
        pixels = color + rng.integers(0, 100, (60, 80, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"IMG_{i}.jpg")


# With random weights and few epochs, clusters without a confident sample are no wonder.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_snippets(tmp_path, monkeypatch):
    # The default encoder as if fetched before, its weights random: no test downloads.
    weights = tmp_path / "weights.safetensors"
    with isolated_rng(0):
        model = timm.create_model(DEFAULT_MODEL, num_classes=0)
    save_file(model.state_dict(), weights)
    monkeypatch.setattr(
        "sklearn_scan.encoders._backbones.cached_weights", lambda repository: weights
    )
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos")
    result = doctest.testfile(str(README), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0
    assert (tmp_path / "clusters.png").stat().st_size > 0
