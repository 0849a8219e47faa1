"""An embedding by workers: the same as without, whatever happens to them."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from torch import nn

from sklearn_scan import ImageEncoder
from sklearn_scan.core.locks import lock
from sklearn_scan.core.parallel import has_workers
from sklearn_scan.core.parts import part_file
from sklearn_scan.encoders import Encoder, _shards
from sklearn_scan.encoders.cache import clear_cache
from sklearn_scan.exceptions import ImageReadError, WorkerError
from sklearn_scan.images import ManifestSource, PathSource

pytestmark = pytest.mark.usefixtures("end_workers")

N_IMAGES, WHITE = 400, 200
SHARD = 128  # images that a task embeds
ENGINES = ["loky", "ray", pytest.param("dask", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(N_IMAGES)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)).save(path)
    Image.new("RGB", (8, 9), "white").save(paths[WHITE])
    return paths


def encoder(**settings):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return ImageEncoder(network, input_size=8, n_jobs=2, **settings).fit()


@pytest.fixture(scope="module")
def expected(paths):
    return encoder().transform(paths)


@pytest.fixture(params=["loky", "multiprocessing"])
def backend(request):
    with joblib.parallel_config(backend=request.param):
        yield


def test_workers_give_the_same_embedding(paths, expected, backend):
    assert_array_equal(encoder().transform(paths), expected)


def test_one_in_a_file_too_and_nothing_is_left_beside_it(
    paths, expected, backend, tmp_path
):
    embedding = encoder().transform(paths, out=tmp_path / "embedding.npy")
    assert isinstance(embedding, np.memmap)
    assert_array_equal(embedding, expected)
    assert os.listdir(tmp_path) == ["embedding.npy"]


def test_a_table_is_read_by_workers(paths, expected, backend, tmp_path):
    table = tmp_path / "photos.csv"
    table.write_text("path\n" + "\n".join(map(str, paths)))
    assert_array_equal(encoder().transform(ManifestSource(table)), expected)


def test_images_in_memory_are_embedded_without_workers(paths, expected, backend):
    images = np.stack([np.asarray(Image.open(path)) for path in paths])
    assert_array_equal(encoder().transform(images), expected)


def test_unreadable_images_have_the_names_and_rows_they_have_without_workers(
    paths, backend, tmp_path, monkeypatch
):
    monkeypatch.chdir(paths[0].parent)
    (tmp_path / "bad.png").write_bytes(b"no image")
    names = [path.name for path in paths]
    names[3] = names[300] = str(tmp_path / "bad.png")
    names[390] = "gone.png"
    with pytest.raises(ImageReadError) as raised:
        encoder().transform(names)
    with joblib.parallel_config(backend="threading"):
        with pytest.raises(ImageReadError) as plain:
            encoder().transform(names)
        with pytest.warns(UserWarning, match="3 of 400 images"):
            expected = encoder(bad_images="skip").transform(names)
    assert raised.value.failures == plain.value.failures
    with pytest.warns(UserWarning, match="3 of 400 images"):
        found = encoder(bad_images="skip").transform(names)
    assert_array_equal(found, expected)


# Workers that are lost

# A driver: it embeds the photos of a folder by workers. Its network writes a line for
# each image; where asked to, it ends its process once, at the image that is white.
DRIVER = """
import os, signal, sys, joblib, numpy as np
from pathlib import Path
from torch import nn
from sklearn_scan import ImageEncoder
from sklearn_scan.datasets import list_images

class Network(nn.Module):
    def __init__(self, log, once):
        super().__init__()
        self.log, self.once = log, once

    def forward(self, images):
        import os, signal, time
        white = (images.amin(dim=(1, 2, 3)) > 0.9).any()
        if white and self.once and not os.path.exists(self.once):
            open(self.once, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.5)
        with open(self.log, "a") as file:
            file.write("x" * len(images))
        return images.mean(dim=(2, 3))

if __name__ == "__main__":
    photos, folder, backend, once = sys.argv[1:]
    folder = Path(folder)
    if backend == "ray":
        import ray
        ray.init(num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False)
    if backend == "dask":
        from distributed import Client
        client = Client(n_workers=2, threads_per_worker=1, dashboard_address=None)
    network = Network(str(folder / "log"), once and str(folder / once))
    encoder = ImageEncoder(network, input_size=8, mean=0, std=1, n_jobs=2).fit()
    with joblib.parallel_config(backend=backend):
        encoder.transform(list_images(photos), out=folder / "embedding.npy")
"""


@pytest.fixture
def start(tmp_path, paths):
    """Start a driver, which begins with a white image among the photos."""
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)

    def start_driver(backend, once=""):
        arguments = [str(paths[0].parent), str(tmp_path), backend, once]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "RAY_worker_niceness": "0",  # else workers wait for other programs
        }
        return subprocess.Popen([sys.executable, script, *arguments], env=environment)

    return start_driver


@pytest.fixture
def photos_as_colours(paths):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    encoder = ImageEncoder(network, input_size=8, mean=0, std=1)
    return encoder.transform(paths)


def embedded(folder):
    """Return the embedding that a driver made, and how many images it embedded."""
    return np.load(folder / "embedding.npy"), len((folder / "log").read_text())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_worker_that_ends_amid_its_work(engine, start, photos_as_colours, tmp_path):
    if engine != "loky":
        pytest.importorskip({"dask": "distributed"}.get(engine, engine))
    assert start(engine, once="killed").wait(timeout=120) == 0
    assert (tmp_path / "killed").exists()
    found, n_embedded = embedded(tmp_path)
    assert_array_equal(found, photos_as_colours)
    # of what was done before, nothing; the tasks of both workers may be done anew
    assert n_embedded <= N_IMAGES + 2 * SHARD


def test_a_driver_that_ends_amid_its_work(start, photos_as_colours, tmp_path):
    driver = start("loky")
    end = time.monotonic() + 60
    while not list(tmp_path.glob(".embedding.npy.*/*.safetensors")):
        assert time.monotonic() < end
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    assert not (tmp_path / "embedding.npy").exists()
    assert start("loky").wait(timeout=120) == 0
    found, n_embedded = embedded(tmp_path)
    assert_array_equal(found, photos_as_colours)
    assert n_embedded <= N_IMAGES + 2 * SHARD
    assert not list(tmp_path.glob(".embedding.npy.*"))


@pytest.mark.slow
def test_an_image_that_ends_every_worker_is_named(start, paths, tmp_path, capfd):
    once = "no/such/folder"  # where nothing can be noted: it ends all of them
    driver = start("loky", once=once)
    assert driver.wait(timeout=120) == 1
    error = capfd.readouterr().err
    first, last = paths[SHARD].name, paths[2 * SHARD - 1].name
    assert f"WorkerError: Workers could not embed 128 of {N_IMAGES} images" in error
    assert first in error
    assert last in error
    # the others are done
    assert len(list(tmp_path.glob(".embedding.npy.*/*.safetensors"))) == 3


# The folder of parts


def parts_of(folder):
    return sorted(folder.rglob("shards-*/*.safetensors"))


@pytest.fixture
def interrupted(paths, tmp_path, backend, monkeypatch):
    """Return a folder of a run that ended when all parts were made."""

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_shards.ShardedPass, "_take_up", stop)
        with pytest.raises(KeyboardInterrupt):
            encoder(memory=tmp_path).transform(paths)
    assert len(parts_of(tmp_path)) == 4
    return tmp_path


def test_parts_that_are_there_are_not_made_again(interrupted, paths, expected):
    before = [part.stat().st_mtime_ns for part in parts_of(interrupted)]
    changed = parts_of(interrupted)[2]
    changed.unlink()
    times = []
    take_up = _shards.ShardedPass._take_up

    def look(work, rows, *rest):
        times.append(part_file(work.folder, rows).stat().st_mtime_ns)
        take_up(work, rows, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_shards.ShardedPass, "_take_up", look)
        found = encoder(memory=interrupted).transform(paths)
    assert_array_equal(found, expected)
    assert [new == old for new, old in zip(times, before, strict=True)] == [
        True,
        True,
        False,
        True,
    ]
    assert not parts_of(interrupted)


@pytest.mark.parametrize("place", [3, -40])
def test_a_damaged_part_is_made_again(interrupted, paths, expected, place):
    part = parts_of(interrupted)[1]
    content = bytearray(part.read_bytes())
    content[place] ^= 0xFF
    part.write_bytes(content)
    assert_array_equal(encoder(memory=interrupted).transform(paths), expected)


def test_a_part_of_an_image_that_has_changed_is_made_again(
    interrupted, paths, tmp_path
):
    content = paths[5].read_bytes()
    try:
        Image.new("RGB", (8, 9), "black").save(paths[5])
        with joblib.parallel_config(backend="threading"):
            expected = encoder().transform(paths)
        assert_array_equal(encoder(memory=interrupted).transform(paths), expected)
    finally:
        paths[5].write_bytes(content)


def test_parts_of_other_images_are_not_taken(interrupted, paths, expected):
    others = paths[::-1]
    found = encoder(memory=interrupted).transform(others)
    assert_array_equal(found, expected[::-1])
    assert len(parts_of(interrupted)) == 4  # those of before
    clear_cache(interrupted)
    assert not parts_of(interrupted)


def test_the_same_pass_by_another_program(interrupted, paths, expected):
    (folder,) = {part.parent for part in parts_of(interrupted)}
    with lock(folder):
        assert_array_equal(encoder(memory=interrupted).transform(paths), expected)
    assert len(parts_of(interrupted)) == 4


def test_nothing_is_left_of_a_pass_that_fails(paths, backend, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ImageReadError):
        encoder().transform([*paths, "gone.png"])
    assert not list(tmp_path.glob("shards-*"))


class Probe(Encoder):
    """Tells whether there are workers where it embeds."""

    def transform(self, X):
        return np.full((len(X), 1), has_workers())


def test_workers_that_have_workers_do_the_work_themselves(paths, backend):
    embedded = _shards._embed_part(Probe(), PathSource(paths))  # as Dask's have
    assert not embedded.vectors.any()
    assert has_workers()


def test_a_folder_that_workers_do_not_see(paths, backend, monkeypatch, tmp_path):
    write = _shards.durable_file

    @contextmanager
    def write_elsewhere(path):
        with write(tmp_path / path.name) as file:
            yield file

    monkeypatch.setattr(_shards, "durable_file", write_elsewhere)
    with pytest.raises(WorkerError, match="choose one that all machines share"):
        encoder(memory=tmp_path / "memory").transform(paths)
