"""Rounds of all that a long-lived process does, and what each leaves behind."""

from __future__ import annotations

import gc
import tempfile
import threading
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import odd_parameters
import psutil
from input_promises import averages

from sklearn_scan import ImageEncoder, load, save
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.report import write_report

KINDS = list(odd_parameters.SMALL)


class Held(NamedTuple):
    """What the process holds after a round."""

    memory: int  # bytes in memory
    files: int  # open files
    threads: int  # of Python
    children: int


def run(n_rounds: int) -> list[Held]:
    """Return what is held after each of the rounds."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        held = []
        for number in range(n_rounds):
            one_round(number, rng, Path(folder))
            held.append(measure())
    return held


def measure() -> Held:
    """Return what the process holds now."""
    gc.collect()
    process = psutil.Process()
    count_files = process.num_handles if psutil.WINDOWS else process.num_fds
    return Held(
        process.memory_info().rss,
        count_files(),
        threading.active_count(),
        len(process.children(recursive=True)),
    )


def one_round(number: int, rng: np.random.Generator, folder: Path) -> None:
    """Fit, predict, save, load and report, of features and of images."""
    kind = KINDS[number % len(KINDS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so short a fit finds little
        _on_features(kind, rng, folder / "features")
        _on_images(kind, rng, folder / "images", folder / "cache")


def _on_features(kind: type, rng: np.random.Generator, path: Path) -> None:
    X = rng.normal(size=(300, 16)).astype(np.float32)
    clusterer = odd_parameters.small(kind, n_clusters=4).fit(X)
    mine_neighbors(X, 5, method="ivf_flat", random_state=0)
    if hasattr(clusterer, "predict"):
        save(clusterer, path, overwrite=True)
        loaded = load(path)
        np.testing.assert_array_equal(loaded.predict(X), clusterer.labels_)


def _on_images(kind: type, rng: np.random.Generator, path: Path, cache: Path) -> None:
    images = rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    encoder: ImageEncoder = averages().set_params(memory=cache)
    clusterer = odd_parameters.small(kind, n_clusters=4, encoder=encoder).fit(images)
    if hasattr(clusterer, "predict"):
        clusterer.predict(images)
        clusterer.labels_frame()
        write_report(path.with_suffix(".html"), clusterer, images, projection="pca")
