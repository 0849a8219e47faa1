"""The labelled images that the benchmarks cluster, read from disk.

They are looked for in SKLEARN_SCAN_DATA (default: ../shared/data from the project's
root): archives of class folders, or .npz files. What is not there is fetched by
torchvision, where it has it.
"""

import os
import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from sklearn_scan.datasets import load_digits_images

DATA = Path(
    os.environ.get(
        "SKLEARN_SCAN_DATA", Path(__file__).parents[2].parent / "shared" / "data"
    )
)
_USPS = [("Xtrain", "ytrain"), ("Xtest", "ytest")]


class Images(NamedTuple):
    """Images (n, h, w) or (n, h, w, 3) and their classes, numbered from 0."""

    images: np.ndarray
    classes: np.ndarray

    @property
    def n_classes(self):
        return len(np.unique(self.classes))

    def first_classes(self, n_classes):
        """Return the images of the first classes; all of them for None."""
        if n_classes is None:
            return self
        rows = self.classes < n_classes
        return Images(self.images[rows], self.classes[rows])

    def subset(self, n_images, seed=0):
        """Return some of the images, drawn at random; all of them for None."""
        if n_images is None or n_images >= len(self.images):
            return self
        rows = np.random.default_rng(seed).permutation(len(self.images))[:n_images]
        return Images(self.images[rows], self.classes[rows])


def read_archive(path, mode="RGB"):
    """Read a zip of class folders, `.../class/image`."""
    images, classes = [], []
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if not name.endswith("/"))
        for name in names:
            image = Image.open(BytesIO(archive.read(name))).convert(mode)
            images.append(np.asarray(image))
            classes.append(name.split("/")[-2])
    return Images(np.stack(images), np.unique(classes, return_inverse=True)[1])


def read_arrays(path, pairs, side):
    with np.load(path) as arrays:
        images = np.concatenate([arrays[images] for images, _ in pairs])
        classes = np.concatenate([arrays[classes] for _, classes in pairs])
    classes = np.unique(classes, return_inverse=True)[1]
    return Images(images.reshape(-1, side, side), classes)


def load_small_set(name):
    """Return digits, usps, mnist_test or coil20, all of it.

    Raises FileNotFoundError where its images are not on this disk.
    """
    if name == "digits":
        digits = load_digits_images()
        return Images(digits.images, digits.target)
    if name == "usps":
        return read_arrays(DATA / "usps.npz", _USPS, side=16)
    if name == "mnist_test":
        return read_arrays(DATA / "mnist_test.npz", [("X", "y")], side=28)
    return read_archive(DATA / "coil20.zip", mode="L")


def load_splits(name, folder):
    """Return the train and the test split of a set, or all of it if it has no splits.

    Parameters
    ----------
    name : str
        digits, usps, mnist_test, coil20, cifar10, cifar100-20, stl10, or cifar10-5: the
        first five classes of cifar10.
    folder : path
        As for `load_split`.
    """
    if name == "usps":
        return [read_arrays(DATA / "usps.npz", [pair], side=16) for pair in _USPS]
    if name in ("digits", "mnist_test", "coil20"):
        return [load_small_set(name)]
    n_classes = None
    if name == "cifar10-5":
        name, n_classes = "cifar10", 5
    splits = (load_split(name, split, folder) for split in ("train", "test"))
    return [split.first_classes(n_classes) for split in splits]


def load_split(name, split, folder):
    """Return the "train" or "test" split of cifar10, cifar100-20 or stl10.

    Parameters
    ----------
    name, split : str
    folder : path
        Where torchvision keeps, or puts, what is not in SKLEARN_SCAN_DATA.
    """
    archive = DATA / f"{name}-{split}.zip"
    if archive.is_file():
        return read_archive(archive)
    from torchvision import datasets

    if name == "stl10":
        stl = datasets.STL10(folder, split, download=True)
        return Images(stl.data.transpose(0, 2, 3, 1), np.asarray(stl.labels))
    if name == "cifar10":
        cifar = datasets.CIFAR10(folder, split == "train", download=True)
        return Images(cifar.data, np.asarray(cifar.targets))
    cifar = datasets.CIFAR100(folder, split == "train", download=True)
    # Its 20 superclasses are in the file, whose checksum torchvision has looked at.
    file = Path(cifar.root) / cifar.base_folder / split
    superclasses = pickle.loads(file.read_bytes(), encoding="latin1")["coarse_labels"]
    return Images(cifar.data, np.asarray(superclasses))
