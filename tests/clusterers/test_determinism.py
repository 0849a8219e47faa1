"""One random_state gives one result, whatever the machine is busy with."""

import os
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_scan import (
    GraphDegreeLinkage,
    ImageEncoder,
    JULEClusterer,
    SCANClusterer,
    TEMIClusterer,
)
from sklearn_scan.datasets import load_digits_images

IMAGES = load_digits_images().images[:100]
FEATURES = IMAGES.reshape(100, -1).astype(np.float32)


def scan():
    return SCANClusterer(5, max_epochs=2, self_label_epochs=1, random_state=0)


def temi():
    return TEMIClusterer(5, n_heads=2, max_epochs=2, random_state=0)


def jule():
    return JULEClusterer(5, max_epochs=2, self_label_epochs=1, random_state=0)


def linkage():
    return GraphDegreeLinkage(5, random_state=0)


def on_auto():
    settings = {"max_epochs": 1, "self_label_epochs": 0, "random_state": 0}
    return SCANClusterer("auto", **settings)


every = pytest.mark.parametrize("make", [scan, temi, jule, linkage])


@cache
def fitted(make):
    """Return a fit that others are compared with."""
    return make().fit(FEATURES)


def assert_same(one, other):
    """Check that two fits are the same, bit by bit."""
    for name in ("labels_", "embedding_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("indices", "similarities"):
        pair = (getattr(each.neighbors_, name) for each in (one, other))
        np.testing.assert_array_equal(*pair)
    if not isinstance(one, GraphDegreeLinkage):
        np.testing.assert_array_equal(one.probabilities_, other.probabilities_)
        assert one.history_ == other.history_
        assert one.quality_ == other.quality_


def assert_alike(labels, others):
    """Check labels of sums that are rounded in another order.

    A sample between two clusters may go to either.
    """
    assert np.mean(np.asarray(labels) == np.asarray(others)) >= 0.95


@every
def test_a_fit_again_is_the_same(make):
    torch.manual_seed(3)  # which has no say
    assert_same(make().fit(FEATURES), fitted(make))


@every
def test_the_type_and_order_of_features_do_not_matter(make):
    expected = fitted(make)
    assert_same(make().fit(np.asfortranarray(FEATURES)), expected)
    assert_same(make().fit(FEATURES.astype(np.float64)), expected)
    assert_same(make().fit(FEATURES.astype(np.uint8)), expected)  # of whole numbers


@every
def test_features_in_a_file_give_the_same_clusters(make, tmp_path):
    np.save(tmp_path / "features.npy", FEATURES)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    assert_alike(make().fit(mapped).labels_, fitted(make).labels_)


@every
def test_the_size_of_blocks_does_not_matter(make, monkeypatch):
    expected = fitted(make).labels_
    monkeypatch.setattr("sklearn_scan.core.rows._BLOCK_ELEMENTS", 7 * FEATURES.shape[1])
    assert_alike(make().fit(FEATURES).labels_, expected)


class Convolutions(nn.Module):
    """A small backbone, whose weights are the same each time."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(12, 3, 3, 3, generator=generator)
        self.weight = nn.Parameter(weight)

    def forward(self, images):
        maps = nn.functional.conv2d(images, self.weight, stride=2).relu()
        return maps.flatten(1)


def on_images(**settings):
    encoder = ImageEncoder(Convolutions(), input_size=8, precision="fp32", **settings)
    clusterer = SCANClusterer(
        5,
        encoder=encoder,
        finetune=False,
        max_epochs=2,
        self_label_epochs=1,
        random_state=0,
    )
    return clusterer.fit(IMAGES)


def test_workers_and_the_cache_do_not_matter(tmp_path):
    expected = on_images(n_jobs=1)
    assert_same(on_images(n_jobs=2), expected)
    memory = tmp_path / "memory"
    ImageEncoder(
        Convolutions(), input_size=8, precision="fp32", memory=memory
    ).fit_transform(IMAGES[:70])
    for _ in ("partly warm", "warm"):
        again = on_images(memory=memory, n_jobs=2)
        assert_alike(again.labels_, expected.labels_)
        np.testing.assert_allclose(
            again.embedding_, expected.embedding_, rtol=1e-4, atol=1e-5
        )
    assert_same(on_images(memory=memory, n_jobs=1), again)  # of what it keeps


def test_the_size_of_batches_does_not_matter():
    one, other = (on_images(batch_size=size) for size in (3, 64))
    assert_alike(one.labels_, other.labels_)


def test_the_number_of_clusters_that_is_found_is_the_same():
    one, other = (on_auto().fit(FEATURES) for _ in range(2))
    assert one.n_clusters_ == other.n_clusters_
    np.testing.assert_array_equal(one.labels_, other.labels_)


IN_A_PROCESS = """
import sys
from sklearn_scan.core import threads
threads._Monitor.free = lambda self: 2  # on a busy machine too
sys.path.insert(0, sys.argv[1])
from test_determinism import FEATURES, linkage, scan
for make in (scan, linkage):
    print(*make().fit(FEATURES).labels_)
"""


def test_another_process_with_two_threads_finds_the_same_clusters():
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, os.path.dirname(__file__)],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = [line.split() for line in done.stdout.splitlines()]
    for make, labels in zip((scan, linkage), found, strict=True):
        assert_alike([int(each) for each in labels], fitted(make).labels_)
