"""The Python snippets of the README and of the documentation run, page by page."""

import doctest
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import timm
from PIL import Image
from safetensors.torch import save_file

from sklearn_scan.core.random import isolated_rng
from sklearn_scan.encoders import DEFAULT_MODEL

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if ">>> " in page.read_text(encoding="utf-8")
]


def make_photos(folder):
    """Write twelve photos of each of three colours."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for i, color in enumerate(np.repeat(np.eye(3) * 150, 12, axis=0)):
        pixels = color + rng.integers(0, 100, (60, 80, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"IMG_{i}.jpg")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return weights of the default encoder, drawn at random: no test downloads."""
    with isolated_rng(0):
        model = timm.create_model(DEFAULT_MODEL, num_classes=0)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_file(model.state_dict(), path)
    return path


# With random weights and few epochs, clusters without a confident sample are no wonder.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets(page, weights, tmp_path, monkeypatch):
    # the default encoder as if fetched before
    monkeypatch.setattr(
        "sklearn_scan.encoders.backbones._build.cached_weights",
        lambda repository: weights,
    )
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "photos")
    result = doctest.testfile(str(page), module_relative=False)
    plt.close("all")
    assert result.attempted > 0
    assert result.failed == 0


def test_the_readme_has_snippets():
    assert ROOT / "README.md" in PAGES
