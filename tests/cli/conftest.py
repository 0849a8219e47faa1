"""A folder of small photos, the command, and a run of it."""

import shutil

import pytest
import timm
from cli_helpers import QUICK
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from sklearn_scan.cli import main
from sklearn_scan.core.random import isolated_rng
from sklearn_scan.datasets import make_shapes


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Forty photos in the folders of their classes, one of them damaged."""
    folder = tmp_path_factory.mktemp("cli") / "photos"
    shapes = make_shapes(39, 3, image_size=24, random_state=0)
    for i, (image, target) in enumerate(zip(shapes.images, shapes.target, strict=True)):
        path = folder / shapes.target_names[target] / f"photo {i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (folder / "circle" / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Weights on the disk of a small network of timm."""
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    with isolated_rng(0):
        save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.getbasetemp() / "kept embeddings"
    monkeypatch.setenv("SKLEARN_SCAN_CACHE", str(cache))
    return cache


@pytest.fixture
def call():
    """Run the command; return the result, of which `exit_code` and `output`."""

    def call(*arguments, expect=0):
        result = CliRunner().invoke(main, [str(each) for each in arguments])
        shown = result.output
        assert result.exit_code == expect, (shown, result.exception)
        return result

    return call


@pytest.fixture(scope="session")
def finished_run(photos, tmp_path_factory):
    """A run that is complete; not to be changed."""
    out = tmp_path_factory.mktemp("runs") / "out"
    arguments = ["fit", str(photos), "-k", "3", "-o", str(out), *QUICK]
    cache = {"SKLEARN_SCAN_CACHE": str(tmp_path_factory.mktemp("cache"))}
    result = CliRunner(env=cache).invoke(main, arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return out, result


@pytest.fixture
def run(finished_run, tmp_path):
    """A copy of the run, to be changed."""
    return shutil.copytree(finished_run[0], tmp_path / "out")
