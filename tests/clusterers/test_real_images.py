"""The main job on real images, where those are at hand."""

import os
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import normalized_mutual_info_score
from torch import nn

from sklearn_scan import ImageEncoder, JULEClusterer, SCANClusterer
from sklearn_scan.metrics import neighbor_purity
from sklearn_scan.neighbors import mine_neighbors

CLASSES = ("church", "english_springer", "parachute")
N_PER_CLASS = 20


def data_folder():
    """Return the folder of real images, or skip the test."""
    default = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("SKLEARN_SCAN_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}: set SKLEARN_SCAN_DATA")
    return folder


def needed(path):
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture(scope="module")
def encoder():
    weights = data_folder() / ".." / "weights" / "mobilenetv2_100.safetensors"
    return ImageEncoder(
        "mobilenetv2_100",
        checkpoint=needed(weights),
        model_kwargs={"pad_type": "same"},
        mean=0.5,
        std=0.5,
        input_size=224,
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Paths of photos, their classes, and a folder for a cache."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    with ZipFile(needed(data_folder() / "imagenette-3k.zip")) as archive:
        for name in CLASSES:
            members = [m for m in archive.namelist() if f"val/{name}/" in m]
            chosen = [m for m in sorted(members) if not m.endswith("/")][:N_PER_CLASS]
            paths += [archive.extract(member, folder) for member in chosen]
    return paths, np.repeat(CLASSES, N_PER_CLASS), folder / "cache"


def test_neighbors_of_photos(encoder, photos):
    paths, y, cache = photos
    embedding = clone(encoder).set_params(memory=cache).transform(paths)
    assert embedding.shape == (len(y), 1280)
    assert neighbor_purity(mine_neighbors(embedding, 5).indices, y) > 0.85


def test_clusters_of_photos(encoder, photos):
    paths, y, cache = photos
    clusterer = SCANClusterer(
        n_clusters=3, encoder=encoder, n_neighbors=5, memory=cache, random_state=0
    ).fit(paths)
    assert clusterer.score(paths, y) > 0.8
    np.testing.assert_array_equal(clusterer.predict(paths), clusterer.labels_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_pretrained_model_can_be_trained_further(encoder, photos):
    """With its batch norms unfolded, whose statistics take some steps to settle."""
    paths = photos[0][::3]
    small = clone(encoder).set_params(input_size=64)
    clusterer = SCANClusterer(
        n_clusters=3,
        encoder=small,
        finetune=True,
        n_neighbors=3,
        max_epochs=10,
        self_label_epochs=1,
        confidence_threshold=0.5,
        learning_rate=1e-5,
        strong_views=torch.clone,
        random_state=0,
    ).fit(paths)
    assert clusterer.embedding_.shape == (20, 1280)
    assert np.isfinite(clusterer.embedding_).all()
    modules = [*clusterer.encoder_.module_.modules()]
    assert sum(isinstance(module, nn.BatchNorm2d) for module in modules) == 52
    stages = [epoch["stage"] for epoch in clusterer.history_]
    assert stages.count("SCAN") == 10
    # (whether it is kept, on so few photos, is not asked here)
    np.testing.assert_array_equal(clusterer.predict(paths), clusterer.labels_)


def test_clusters_of_handwritten_digits():
    with np.load(needed(data_folder() / "usps.npz")) as usps:
        images, y = usps["Xtrain"][:1500], usps["ytrain"][:1500]
    clusterer = JULEClusterer(10, max_epochs=3, random_state=0).fit(images)
    nmi = normalized_mutual_info_score(y, clusterer.labels_)
    assert nmi > 0.85  # .91 to .93; by k-means .65
    np.testing.assert_array_equal(clusterer.predict(images), clusterer.labels_)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["auto", "fp16"])
def test_reduced_precision_agrees_with_fp32(encoder, photos, precision):
    paths, _, _ = photos
    exact = clone(encoder).set_params(precision="fp32").transform(paths)
    embedding = clone(encoder).set_params(precision=precision).transform(paths)
    norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(embedding, axis=1)
    assert ((exact * embedding).sum(axis=1) / norms).min() >= 0.999
