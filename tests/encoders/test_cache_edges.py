"""The cache of embeddings: what tells networks apart, and a folder that fails."""

import errno
import os

import numpy as np
import pytest
from torch import nn

from sklearn_scan import ImageEncoder
from sklearn_scan.core import disk
from sklearn_scan.encoders.cache import cache_info

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


class Weighted(nn.Module):
    """Mean colours, times numbers that are no parameters."""

    def __init__(self, weights, power=abs):
        super().__init__()
        self.weights = weights
        self.power = power

    def forward(self, images):
        means = images.mean(dim=(2, 3))
        return self.power(means) * means.new_tensor(list(self.weights))


class Powers:
    """Functions as methods."""

    def square(self, x):
        return x * x

    def cube(self, x):
        return x * x * x


def embed(network, folder, **settings):
    return ImageEncoder(network, input_size=8, memory=folder, **settings).transform(
        IMAGES
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Weighted(np.ones(3)), Weighted(np.full(3, 2.0))),
        (Weighted({1.0, 2.0, 4.0}), Weighted({1.0, 2.0, 8.0})),
        (Weighted(np.ones(3), Powers().square), Weighted(np.ones(3), Powers().cube)),
    ],
    ids=["arrays", "sets", "methods"],
)
def test_networks_that_differ_share_nothing(first, second, tmp_path):
    alone = embed(second, None)
    assert not np.allclose(embed(first, tmp_path), alone)
    np.testing.assert_array_equal(embed(second, tmp_path), alone)
    assert cache_info(tmp_path).n_images == 2 * len(IMAGES)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Weighted(np.ones(3)),
        lambda: Weighted({1.0, 2.0, 4.0}),
        lambda: Weighted(np.ones(3), Powers().square),
    ],
)
def test_networks_that_are_alike_share_all(make, tmp_path):
    first = embed(make(), tmp_path)
    np.testing.assert_array_equal(embed(make(), tmp_path), first)
    assert cache_info(tmp_path).n_images == len(IMAGES)


def test_an_empty_name_is_no_folder():
    with pytest.raises(ValueError, match="memory must name a folder"):
        embed(Weighted(np.ones(3)), "")


def test_a_cache_that_cannot_be_written_is_tried_and_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_scan.encoders.cache._store._FLUSH_INTERVAL", -1.0)
    make_folders, tried = disk.make_folders, []

    def count(folder):
        tried.append(folder)
        make_folders(folder)

    monkeypatch.setattr(disk, "make_folders", count)
    place = tmp_path / "file"
    place.touch()
    with pytest.warns(UserWarning, match="could not be written") as told:
        embedding = embed(Weighted(np.ones(3)), place, batch_size=2)
    assert len(told) == len(tried) == 1
    np.testing.assert_array_equal(embedding, embed(Weighted(np.ones(3)), None))


def test_a_damaged_cache_that_may_not_be_deleted_is_left(tmp_path, monkeypatch):
    expected = embed(Weighted(np.ones(3)), tmp_path)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    file.write_bytes(b"no database")

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(disk, "remove", refuse)
    with pytest.warns(UserWarning, match="is damaged") as told:
        embedding = embed(Weighted(np.ones(3)), tmp_path)
    assert len(told) == 1  # it is not tried again
    np.testing.assert_array_equal(embedding, expected)
    assert file.read_bytes() == b"no database"
