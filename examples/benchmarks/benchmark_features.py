"""The labelled features that methods for frozen features cluster.

Photos as the 1,280 features of a MobileNetV2 or the 512 of CLIP's ViT-B/32, grey digits
as their pixels; and two sets of which most classes are thinned out.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from benchmark_images import DATA, load_small_set
from embed import make_encoder, unpack
from sklearn.datasets import load_digits

# Features of photos: the archive of each set.
PHOTOS = {
    "trashnet": "trashnet",
    "imagenette": "imagenette-3k",
    "cifar10": "cifar10-test",
    "coil20": "coil20",
}
CLIP = ("clip-dtd", "clip-pets", "clip-food10", "clip-ucf101")
PIXELS = ("mnist", "usps", "digits")
IMBALANCED = {"imagenette-imbalanced": "imagenette", "usps-imbalanced": "usps"}
SETS = (*CLIP, *PHOTOS, *PIXELS, *IMBALANCED)


class Features(NamedTuple):
    """Features (n, d) float32 and their classes."""

    X: np.ndarray
    y: np.ndarray

    @property
    def n_classes(self) -> int:
        return len(np.unique(self.y))


def load_features(name: str, folder: Path) -> Features:
    """Return one of SETS, from `folder/name.npz` where it has been made before.

    Raises FileNotFoundError where its images or features are not on this disk.
    """
    if name in IMBALANCED:
        return imbalanced_subset(load_features(IMBALANCED[name], folder))
    if name in CLIP:
        return read_features(DATA / f"{name}.npz")
    kept = folder / f"{name}.npz"
    if not kept.is_file():
        features = make_features(name, folder)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{name}.part.npz"
        np.savez(unfinished, X=features.X, y=features.y)
        unfinished.replace(kept)
    return read_features(kept)


def read_features(file: Path) -> Features:
    with np.load(file) as arrays:
        return Features(arrays["X"].astype(np.float32), arrays["y"].astype(np.int64))


def make_features(name: str, folder: Path) -> Features:
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return Features(X.astype(np.float32), y)
    if name not in PHOTOS:
        images, y = load_small_set("mnist_test" if name == "mnist" else name)
        return Features(images.reshape(len(images), -1).astype(np.float32), y)
    with tempfile.TemporaryDirectory() as photos:
        paths = unpack(PHOTOS[name], photos)
        # The cache lets an interrupted embedding go on where it was.
        X = make_encoder(memory=folder / "cache").fit_transform(paths)
    classes = [Path(path).parent.name for path in paths]
    return Features(X, np.unique(classes, return_inverse=True)[1])


def imbalanced_subset(features: Features, seed: int = 0) -> Features:
    """Thin out the classes, in an order drawn at random.

    Their sizes fall geometrically, from that of the smallest class to a tenth of it.
    """
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(features.y, return_counts=True)
    sizes = np.geomspace(counts.min(), counts.min() / 10, len(classes)).round()
    rows = [
        rng.permutation(np.flatnonzero(features.y == c))[: int(size)]
        for c, size in zip(rng.permutation(classes), sizes, strict=True)
    ]
    rows = np.sort(np.concatenate(rows))
    return Features(features.X[rows], features.y[rows])
