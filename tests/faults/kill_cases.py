"""Work that is killed and done again: what it makes must be as if nothing had happened.

A case is a function of an empty folder. It does tiny work in it, and returns what it
made, as bytes by name. Done again after a kill, it goes on from what is there.
"""

import os

import numpy as np
from click.testing import CliRunner
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from sklearn_scan import (
    ImageEncoder,
    JULEClusterer,
    SCANClusterer,
    SimCLR,
    TEMIClusterer,
    load,
    relabel,
    save,
)
from sklearn_scan.cli._main import main
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.encoders import _embedding_array
from sklearn_scan.encoders.cache import _store
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.results.edits import Edits
from sklearn_scan.training import checkpoints

FEATURES = load_digits().data[:60].astype(np.float32)
IMAGES = load_digits_images().images[:24]
TINY = {"max_epochs": 1, "learning_rate": 0.01, "random_state": 0}


def keep_at_every_step(change=setattr):
    """Let states and rows be written at every step, and not every few seconds."""
    change(checkpoints, "INTERVAL", 0.0)
    change(checkpoints, "MOST_COST", np.inf)
    change(_embedding_array, "_INTERVAL", 0.0)
    change(_store, "_FLUSH_INTERVAL", 0.0)


def of_model(clusterer):
    """Return what a fit made: labels, probabilities, weights, history."""
    weights = clusterer.module_.state_dict()
    return {
        "labels": clusterer.labels_.tobytes(),
        "probabilities": clusterer.probabilities_.tobytes(),
        "embedding": np.asarray(clusterer.embedding_).tobytes(),
        "neighbors": clusterer.neighbors_.indices.tobytes(),
        "weights": b"".join(each.numpy().tobytes() for each in weights.values()),
        "history": repr(clusterer.history_).encode(),
        "heads": clusterer.head_losses_.tobytes() + clusterer.head_scores_.tobytes(),
        "quality": repr((clusterer.best_head_, clusterer.quality_)).encode(),
    }


def scan_on_features(folder):
    clusterer = SCANClusterer(
        4, n_heads=2, self_label_epochs=1, confidence_threshold=0.5,
        batch_size=40, checkpoint=folder / "checkpoint", **TINY,
    )  # fmt: skip
    return of_model(clusterer.fit(FEATURES))


def temi_with_auto(folder):
    clusterer = TEMIClusterer(
        "auto", n_heads=2, checkpoint=folder / "checkpoint", **TINY
    )
    return of_model(clusterer.fit(FEATURES))


def jule(folder):
    clusterer = JULEClusterer(
        4, max_epochs=1, random_state=0, batch_size=16, checkpoint=folder / "checkpoint"
    )
    return of_model(clusterer.fit(IMAGES))


def small_network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


def scan_with_pretext(folder):
    clusterer = SCANClusterer(
        3,
        encoder=SimCLR(small_network, epochs=1, batch_size=16),
        n_neighbors=0,
        n_heads=2,
        max_epochs=1,
        self_label_epochs=1,
        confidence_threshold=0.3,
        ema_decay=0.9,
        batch_size=16,
        memory=folder / "cache",
        random_state=0,
        checkpoint=folder / "checkpoint",
    )
    return of_model(clusterer.fit(IMAGES))


def embedding(folder):
    encoder = ImageEncoder(small_network(), input_size=8, batch_size=4)
    for weight in encoder.model.parameters():
        nn.init.constant_(weight, 0.1)
    encoder.transform(IMAGES, out=folder / "embedding.npy")
    return {"embedding": (folder / "embedding.npy").read_bytes()}


def graph(folder):
    mine_neighbors(FEATURES, 3).save(folder / "graph")
    found = NeighborGraph.load(folder / "graph")
    return {"indices": found.indices.tobytes()}


fitted = {}


def prepare():
    """Fit what is saved, once for all children."""
    if not fitted:
        fitted["first"] = SCANClusterer(4, n_heads=2, **TINY).fit(FEATURES)
        fitted["second"] = relabel(fitted["first"], Edits(merged={0: 1}))


def saving(folder):
    """Save a model over an older one, and relabel it."""
    prepare()
    if not (folder / "model").exists():
        # one that was killed between its two renames is put back, and replaced
        save(fitted["first"], folder / "model", overwrite=True)
    load(folder / "model")
    save(fitted["second"], folder / "model", overwrite=True)
    return of_model(load(folder / "model"))


def command(folder):
    """Fit photos by the command, with a page; then give a cluster another name."""
    photos = folder / "photos"
    if not photos.exists():
        photos.mkdir()
        for i, image in enumerate(IMAGES):
            Image.fromarray(np.uint8(image)).save(photos / f"{i:02}.png")
            os.utime(photos / f"{i:02}.png", (0, 0))
    run = folder / "run"
    call = ["fit", str(photos), "-o", str(run), "-k", "3", "--encoder", "RotNet"]
    call += ["--encoder-epochs", "1", "--encoder-batch-size", "16", "--n-heads", "2"]
    call += ["--max-epochs", "1", "--self-label-epochs", "0", "--memory", "none"]
    call += ["--finetune", "false"]
    call += ["--overwrite"]  # done when it is killed, it is done again
    outcome = CliRunner().invoke(main, call, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    table = (run / "labels.csv").read_bytes().replace(os.fsencode(folder), b"")
    return of_model(load(run / "model")) | {"table": table}


CASES = {
    each.__name__: each
    for each in (
        scan_on_features, temi_with_auto, jule, scan_with_pretext, embedding, graph,
        saving, command,
    )
}  # fmt: skip


def remains(folder):
    """Return the hidden files and folders, which writers leave where they die."""
    own = {".sklearn-scan.json"}
    found = [each for each in folder.rglob(".*") if each.name not in own]
    return sorted(str(each.relative_to(folder)) for each in found)
