"""The kinds of files that people open: how each is made, and opened by its public way.

The harness `mutate_files.py` runs all of `KINDS`; add to it what else is read.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import timm
import torch
from disk_cases import MODEL
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

from sklearn_scan import ImageEncoder, load, relabel, save
from sklearn_scan.cli._photos import read_truth
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.cli._settings import make_estimator, merge_settings
from sklearn_scan.core.checkpoint import open_checkpoint
from sklearn_scan.core.documents import file_digest, write_document
from sklearn_scan.core.random import isolated_rng
from sklearn_scan.encoders import Encoder
from sklearn_scan.encoders.cache import cache_info
from sklearn_scan.exceptions import CheckpointError, ModelFileError
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.relabeling import read_edits

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
PHOTOS = [f"photos/{i} é.png" for i in range(30)]
CONFIG = """method = "scan"
n_clusters = 10  # of them
max_epochs = 5
learning_rate = 1e-3
finetune = false
cluster_prior = [0.5, 0.5]

[encoder]
pretext = "SimCLR"
epochs = 3
image_size = 32
"""


class Kind(NamedTuple):
    """A kind of file, or of folder."""

    name: str  # of the file, or "" for the folder itself
    make: Callable[[Path], None]  # a sound one, in a folder
    open: Callable[[Path], None]  # raises an AssertionError if what it reads is wrong
    errors: tuple[type[Exception], ...]  # with which it may be refused
    sign: Callable[[Path], None] | None = None  # makes the checksums right


@cache
def _digits():
    digits = load_digits()
    return digits.data[np.isin(digits.target, [0, 4, 6])][:60].astype(np.float32)


@cache
def _model():
    return load(MODEL)


def _copy_model(folder: Path) -> None:
    shutil.copytree(MODEL, folder, dirs_exist_ok=True)


def _open_model(folder: Path) -> None:
    loaded = load(folder)
    assert_array_equal(loaded.labels_, _model().labels_)
    expected = _model().predict_proba(_digits())
    assert_allclose(loaded.predict_proba(_digits()), expected)


def _open_crafted_model(folder: Path) -> None:
    loaded = load(folder)
    n_clusters = loaded.n_clusters_
    assert loaded.predict_proba(_digits()).shape == (60, n_clusters)


@cache
def _weights():
    with isolated_rng(0):
        return timm.create_model("test_resnet", num_classes=0).state_dict()


def _make_network(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        _make_weights(Path(place))
        file = Path(place, "weights.safetensors")
        save(ImageEncoder("test_resnet", checkpoint=file, input_size=32).fit(), folder)


def _open_crafted_network(folder: Path) -> None:
    loaded = load(folder)
    assert isinstance(loaded, Encoder)


def _make_weights(folder: Path) -> None:
    save_file(_weights(), folder / "weights.safetensors")


def _make_torch_weights(folder: Path) -> None:
    torch.save(_weights(), folder / "weights.pt")


def _open_weights(file: Path) -> None:
    ImageEncoder("test_resnet", checkpoint=file, input_size=32).fit()


def sign(folder: Path) -> None:
    """Make the checksums of a model or a graph right."""
    (file,) = folder.glob("*.json")
    document = json.loads(file.read_bytes())
    if isinstance(document.get("files"), dict):
        others = [each for each in folder.iterdir() if each != file]
        document["files"] |= {each.name: file_digest(each) for each in others}
    write_document(file, document)


def _make_graph(folder: Path) -> None:
    indices = (np.arange(40)[:, np.newaxis] + np.arange(1, 6)) % 40
    similarities = np.linspace(1, 0, 200, dtype=np.float32).reshape(40, 5)
    NeighborGraph(indices, similarities, "exact", 1.0, "euclidean").save(folder)


def _open_graph(folder: Path) -> None:
    for mmap_mode in (None, "r"):
        graph = NeighborGraph.load(folder, mmap_mode=mmap_mode)
        assert (graph.metric, graph.recall_) == ("euclidean", 1.0)
        assert_array_equal(graph.indices[:, 0], (np.arange(40) + 1) % 40)
        assert_array_equal(
            graph.similarities.ravel(), np.linspace(1, 0, 200, dtype="f")
        )


def _open_crafted_graph(folder: Path) -> None:
    for mmap_mode in (None, "r"):
        graph = NeighborGraph.load(folder, mmap_mode=mmap_mode)
        assert graph.indices.shape == graph.similarities.shape
        assert graph.indices.min(initial=-1) >= -1
        assert graph.indices.max(initial=-1) < len(graph.indices)


def _embed(folder: Path | None) -> np.ndarray:
    encoder = ImageEncoder(nn.Flatten(), input_size=8, memory=folder, device="cpu")
    return encoder.transform(IMAGES)


def _make_cache(folder: Path) -> None:
    _embed(folder / "kept")
    for file in (folder / "kept").rglob("*.sqlite"):
        file.rename(folder / file.name)
    shutil.rmtree(folder / "kept")


def _open_cache(folder: Path) -> None:
    place = folder / "sklearn_scan"
    place.mkdir()
    for file in folder.glob("*.sqlite"):
        file.rename(place / file.name)
    str(cache_info(folder))
    assert_array_equal(_embed(folder), _embed(None))
    assert_array_equal(_embed(folder), _embed(None))  # what is begun anew
    str(cache_info(folder))


def _make_truth(folder: Path) -> None:
    rows = [f"{photo},class {i % 3}" for i, photo in enumerate(PHOTOS)]
    (folder / "truth.csv").write_text("\n".join(["path,class", *rows]), "utf-8")


def _open_truth(file: Path) -> None:
    classes = read_truth(str(file), PHOTOS)
    assert len(classes) == len(PHOTOS)


def _make_labels(folder: Path) -> None:
    LabelTable.of(_model()).write_csv(folder / "labels.csv")


def _make_edits(folder: Path) -> None:
    edits = {
        "format": "sklearn-scan-edits", "version": 2,
        "run": LabelTable.of(_model()).run, "names": {"0": "zéro"},
        "merged": {"1": 2}, "moved": {"7": 3, "8": 0}, "groups": {"3": "new"},
        "left_out": [4, 5],
    }  # fmt: skip
    (folder / "edits.json").write_text(json.dumps(edits), "utf-8")


def _open_edits(file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        changed = relabel(_model(), read_edits(file, LabelTable.of(_model())))
    assert len(changed.cluster_names_) == changed.n_clusters_
    assert changed.labels_.max() < changed.n_clusters_


def _make_note(folder: Path) -> None:
    run = RunFolder(folder)
    run.prepare(["labels.csv", "cats/1.jpg"], overwrite=False)
    run.note(["labels.csv", "cats/1.jpg"])
    run.finish("folders")


def _open_note(file: Path) -> None:
    made = RunFolder(file.parent).open().made
    assert all(isinstance(name, str) and ".." not in Path(name).parts for name in made)


def _make_config(folder: Path) -> None:
    (folder / "config.toml").write_text(CONFIG, "utf-8")


def _open_config(file: Path) -> None:
    make_estimator(merge_settings(file, {}))


_DAMAGED = (ModelFileError,)
_REFUSALS = (OSError, TypeError, ValueError)  # of which the command shows the message


def _make_checkpoint(folder: Path) -> None:
    with open_checkpoint(folder) as checkpoint:
        checkpoint.begin({"n_clusters": "3", "torch": "2.9.0"}, [0, 1])
        checkpoint.put({"graph": np.arange(30)})
        for step in (1, 2):
            checkpoint.put({"loop": {"step": step, "weights": torch.full((9,), step)}})


def _open_checkpoint(folder: Path) -> None:
    """Read either of the two states that are kept, or none, to begin anew."""
    with open_checkpoint(folder) as checkpoint:
        if "loop" in checkpoint:
            loop = checkpoint.get("loop")
            assert loop["weights"].tolist() == [loop["step"]] * 9
            assert loop["step"] in (1, 2)
            assert_array_equal(checkpoint.get("graph"), np.arange(30))


KINDS = {
    "model": Kind("", _copy_model, _open_model, _DAMAGED),
    "crafted model": Kind("", _copy_model, _open_crafted_model, _DAMAGED, sign),
    "crafted network": Kind(
        "", _make_network, _open_crafted_network, (ModelFileError, ValueError), sign
    ),
    "weights": Kind("weights.safetensors", _make_weights, _open_weights, _REFUSALS),
    "torch weights": Kind("weights.pt", _make_torch_weights, _open_weights, _REFUSALS),
    "graph": Kind("", _make_graph, _open_graph, _DAMAGED),
    "crafted graph": Kind("", _make_graph, _open_crafted_graph, _DAMAGED, sign),
    "checkpoint": Kind("", _make_checkpoint, _open_checkpoint, (CheckpointError,)),
    "cache": Kind("", _make_cache, _open_cache, ()),
    "truth table": Kind("truth.csv", _make_truth, _open_truth, _REFUSALS),
    "edited labels": Kind("labels.csv", _make_labels, _open_edits, _REFUSALS),
    "edits": Kind("edits.json", _make_edits, _open_edits, _REFUSALS),
    "run note": Kind(".sklearn-scan.json", _make_note, _open_note, _REFUSALS),
    "config": Kind("config.toml", _make_config, _open_config, _REFUSALS),
}
