"""The cache of embeddings, as users of `memory=` meet it."""

import os
import shutil
import sqlite3
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import joblib
import numpy as np
import pytest
import timm
import torch
from click.testing import CliRunner
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from safetensors.torch import save_file
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer, SimCLR
from sklearn_scan.cli import main
from sklearn_scan.encoders.cache import cache_info, clear_cache


class Counting(nn.Module):
    """Mixes the mean colours; counts the images that pass through."""

    n_images = 0

    def __init__(self, factor=1):
        super().__init__()
        self.factor = factor
        self.mix = nn.Linear(3, 3)

    def forward(self, x):
        Counting.n_images += len(x)
        return self.factor * self.mix(x.mean((2, 3)))


@pytest.fixture(autouse=True)
def start_count():
    Counting.n_images = 0


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def paths(images, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def counting(folder, model=Counting, **parameters):
    return ImageEncoder(model, input_size=8, memory=folder, **parameters)


def test_an_image_is_embedded_once(paths, folder):
    encoder = counting(folder)
    first = encoder.transform(paths)
    assert_array_equal(encoder.transform(paths), first)
    assert_array_equal(counting(folder).transform(paths[::-1]), first[::-1])
    assert Counting.n_images == len(paths)
    assert_array_equal(counting(None).transform(paths), first)


@pytest.mark.parametrize("wrap", [str, joblib.Memory])
def test_what_memory_may_be(images, folder, wrap):
    counting(wrap(folder)).transform(images)
    counting(folder).transform(images)
    assert Counting.n_images == len(images)


def test_memory_that_keeps_nothing(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    encoder = counting(joblib.Memory(None))
    assert_array_equal(encoder.transform(images), encoder.transform(images))
    assert Counting.n_images == 2 * len(images)
    assert list(tmp_path.iterdir()) == []


def test_only_new_images_are_embedded(images, folder):
    counting(folder).transform(images[:4])
    embedding = counting(folder).transform(images[2:])
    assert Counting.n_images == len(images)
    assert_array_equal(embedding, counting(None).transform(images[2:]))


def test_copies_are_embedded_once(paths, folder, tmp_path):
    copy = tmp_path / "copy.png"
    shutil.copy(paths[1], copy)
    embedding = counting(folder).transform([paths[0], copy, paths[1], paths[0]])
    assert Counting.n_images == 2
    assert_array_equal(embedding[:2], embedding[:-3:-1])
    assert (embedding[0] != embedding[1]).any()
    counting(folder).transform([paths[1]])
    assert Counting.n_images == 2


def test_the_same_pixels_in_another_container(images, folder):
    array = counting(folder).transform(images)
    pictures = [Image.fromarray(image) for image in images]
    assert_array_equal(counting(folder).transform(pictures), array)
    assert Counting.n_images == len(images)


def test_a_changed_file_is_embedded_anew(paths, folder):
    before = counting(folder).transform(paths)
    Image.new("RGB", (8, 8), "white").save(paths[2])
    after = counting(folder).transform(paths)
    assert Counting.n_images == len(paths) + 1
    changed = (before != after).any(axis=1)
    assert_array_equal(np.flatnonzero(changed), [2])


def shifted():
    model = Counting()
    model.mix.bias.data += 1
    return model


@pytest.mark.parametrize(
    "other",
    [
        {"mean": 0.1},
        {"std": 0.1},
        {"crop_pct": 0.5},
        {"input_size": 5},
        {"interpolation": "nearest"},
        {"precision": "bf16"},
        {"model": shifted},
        {"model": lambda: Counting(factor=3)},  # no weight, nor in its repr
        {"model": lambda: nn.Sequential(nn.AvgPool2d(3), Counting())},
    ],
)
def test_what_changes_the_embedding_is_not_shared(images, folder, other):
    settings = {"input_size": 4, "device": "cpu", "precision": "fp32"}
    first = counting(folder).set_params(**settings).transform(images)
    settings |= other
    second = counting(folder).set_params(**settings).transform(images)
    assert Counting.n_images == 2 * len(images)
    assert (first != second).any()
    fresh = counting(None).set_params(**settings).transform(images)
    assert_array_equal(second, fresh)


def test_settings_of_a_timm_model_that_are_no_weights(images, folder, tmp_path):
    """Two poolings of one network have the same weights and the same repr."""
    model = timm.create_model("test_vit", num_classes=0, global_pool="avg")
    save_file(model.state_dict(), tmp_path / "vit.safetensors")

    def embed(pool, memory):
        return ImageEncoder(
            "test_vit",
            checkpoint=tmp_path / "vit.safetensors",
            input_size=32,
            model_kwargs={"global_pool": pool},
            memory=memory,
        ).transform(images)

    embed("avg", folder)
    assert_array_equal(embed("max", folder), embed("max", None))


def test_what_does_not_change_the_embedding_is_shared(images, folder):
    counting(folder, batch_size=2, n_jobs=1).transform(images)
    counting(folder, batch_size=5, n_jobs=2, verbose=0).transform(images)
    assert Counting.n_images == len(images)


def test_simclr_keeps_its_embedding(images, folder):
    pretext = SimCLR(Counting, epochs=1, random_state=0, memory=folder).fit(images)
    Counting.n_images = 0
    embedding = pretext.transform(images)
    assert_array_equal(pretext.transform(images), embedding)
    assert Counting.n_images == len(images)


@pytest.mark.slow
def test_two_processes_write_at_once(folder):
    images = np.random.default_rng(1).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)
    # Without Counting, which the workers would have to import.
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    expected = ImageEncoder(model, input_size=8).transform(images)
    encoder = ImageEncoder(model, input_size=8, memory=folder)
    starts = range(0, 55, 5)
    parts = Parallel(n_jobs=2, batch_size=1)(
        delayed(encoder.transform)(images[i : i + 10]) for i in starts
    )
    for i, part in zip(starts, parts, strict=True):
        assert_allclose(part, expected[i : i + 10], atol=1e-5)
    assert_allclose(encoder.transform(images), expected, atol=1e-5)


def test_a_writer_waits_for_another(images, folder):
    counting(folder).transform(images[:2])
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    with closing(sqlite3.connect(file)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")  # as long as this lasts, none else may write
        writing = pool.submit(counting(folder).transform, images)
        done, _ = wait([writing], timeout=0.5)
        assert not done
        other.rollback()
        assert_allclose(writing.result(), counting(None).transform(images), atol=1e-5)


def test_files_are_sqlite_and_hold_numbers(images, folder):
    embedding = counting(folder).transform(images)
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    content = file.read_bytes()
    assert content.startswith(b"SQLite format 3\0")
    for row in embedding:
        assert row.astype("<f4").tobytes() in content


def test_a_wrong_memory_is_named(images):
    with pytest.raises(TypeError, match=r"memory must be a path.* got int"):
        counting(7).transform(images)
    with pytest.raises(TypeError, match=r"memory must be a path.* got int"):
        SimCLR(memory=7).fit(images)


def test_another_forward_pass_is_another_encoder(tmp_path):
    def encoder(factor):
        class Scaled(nn.Module):
            def forward(self, images):
                return factor * images.flatten(1)

        return ImageEncoder(Scaled(), input_size=8, memory=tmp_path)

    images = np.full((3, 8, 8, 3), 200, dtype=np.uint8)
    np.testing.assert_allclose(
        encoder(1).transform(images), -encoder(-1).transform(images)
    )


# Nothing that befalls the cache stops the work, or makes it wrong


def only_file(folder):
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    return file


@pytest.mark.parametrize("damage", ["text", "cut", "page", "no tables", "empty"])
def test_a_damaged_file_is_begun_anew(images, folder, damage):
    expected = counting(folder).transform(images)
    file = only_file(folder)
    content = file.read_bytes()
    if damage == "text":
        file.write_text("no database")
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "page":
        file.write_bytes(content[:100] + b"\xff" * 4000 + content[4100:])
    elif damage == "no tables":
        file.unlink()
        sqlite3.connect(file).close()
    else:
        file.write_bytes(b"")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_array_equal(counting(folder).transform(images), expected)
    assert all("damaged" in str(w.message) for w in caught)
    assert bool(caught) == (damage in ("text", "cut", "page"))
    assert Counting.n_images == 2 * len(images)
    assert_array_equal(counting(folder).transform(images), expected)
    assert Counting.n_images == 2 * len(images)


@pytest.mark.parametrize("vector", ["zeroblob(length(vector))", "substr(vector, 1, 8)"])
def test_a_damaged_entry_is_recomputed(images, folder, vector):
    expected = counting(folder).transform(images)
    with closing(sqlite3.connect(only_file(folder))) as connection, connection:
        some = "(SELECT image FROM embeddings LIMIT 2)"
        connection.execute(
            f"UPDATE embeddings SET vector = {vector} WHERE image IN {some}"
        )
    assert_array_equal(counting(folder).transform(images), expected)
    assert Counting.n_images == len(images) + 2
    counting(folder).transform(images)
    assert Counting.n_images == len(images) + 2


def test_the_vector_of_another_image_is_not_taken(images, folder):
    expected = counting(folder).transform(images)
    with closing(sqlite3.connect(only_file(folder))) as connection, connection:
        rows = connection.execute("SELECT image, vector, checksum FROM embeddings")
        (one, *of_one), (other, *of_other) = rows.fetchall()[:2]
        change = "UPDATE embeddings SET vector = ?, checksum = ? WHERE image = ?"
        connection.executemany(change, [(*of_one, other), (*of_other, one)])
    assert_array_equal(counting(folder).transform(images), expected)
    assert Counting.n_images == len(images) + 2


@pytest.mark.parametrize("vector", ["'text'", "12"])
def test_an_entry_of_another_kind(images, folder, vector):
    expected = counting(folder).transform(images)
    with closing(sqlite3.connect(only_file(folder))) as connection, connection:
        connection.execute(f"UPDATE embeddings SET vector = {vector}")
    assert_array_equal(counting(folder).transform(images), expected)
    assert Counting.n_images == 2 * len(images)


def test_a_view_in_the_place_of_the_table(images, folder):
    """Which may have rows without end."""
    expected = counting(folder).transform(images)
    with closing(sqlite3.connect(only_file(folder))) as connection, connection:
        connection.execute("DROP TABLE embeddings")
        connection.execute(
            "CREATE VIEW embeddings AS WITH RECURSIVE n(image, checksum, vector) AS "
            "(SELECT 0, 0, '' UNION ALL SELECT image + 1, 0, '' FROM n) SELECT * FROM n"
        )
    assert cache_info(folder).encoders[0].encoder == "(damaged)"
    with pytest.warns(UserWarning, match="damaged"):
        assert_array_equal(counting(folder).transform(images), expected)
    counting(folder).transform(images)
    Counting.n_images = 0
    assert_array_equal(counting(folder).transform(images), expected)
    assert Counting.n_images == 0


@pytest.mark.parametrize("name", ["NULL", "12", "x'ff'"])
def test_the_name_of_an_encoder_is_damaged(images, folder, name):
    counting(folder).transform(images)
    with closing(sqlite3.connect(only_file(folder))) as connection, connection:
        connection.execute(f"UPDATE encoder SET name = {name}")
    assert "damaged" in str(cache_info(folder)) or "12" in str(cache_info(folder))


def test_a_database_of_another_make(images, folder):
    expected = counting(folder).transform(images)
    with closing(sqlite3.connect(only_file(folder))) as connection, connection:
        connection.execute("ALTER TABLE embeddings RENAME COLUMN vector TO other")
    with pytest.warns(UserWarning, match="damaged"):
        assert_array_equal(counting(folder).transform(images), expected)
    assert_array_equal(counting(folder).transform(images), expected)
    assert Counting.n_images == 2 * len(images)


def test_what_is_not_finite_is_not_kept(images, folder):
    class Sick(Counting):
        def forward(self, x):
            return super().forward(x) * np.nan

    encoder = ImageEncoder(Sick, input_size=8, memory=folder, precision="fp32")
    assert np.isnan(encoder.transform(images)).all()
    assert cache_info(folder).n_images == 0


def test_a_file_in_the_place_of_the_folder(images, tmp_path):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.warns(UserWarning, match="could not be written"):
        embedding = counting(tmp_path / "cache").transform(images)
    assert_array_equal(embedding, counting(None).transform(images))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_be_read_only(images, folder):
    expected = counting(folder).transform(images[:4])
    file = only_file(folder)
    file.chmod(0o444)
    file.parent.chmod(0o555)
    try:
        with pytest.warns(UserWarning, match="could not be written"):
            embedding = counting(folder).transform(images)
    finally:
        file.parent.chmod(0o755)
    assert_array_equal(embedding[:4], expected)
    assert Counting.n_images == len(images)


FULL_DISK = """
import resource, signal, sys, warnings
import numpy as np
from torch import nn
from sklearn_scan import ImageEncoder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)
encoder = ImageEncoder(nn.Flatten(), input_size=8, memory=sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    embedding = encoder.transform(images)
assert ["could not be written" in str(w.message) for w in caught] == [True], caught
assert np.isfinite(embedding).all() and embedding.shape == (300, 192)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX")
def test_a_full_disk(folder):
    subprocess.run([sys.executable, "-c", FULL_DISK, str(folder)], check=True)


def test_an_interrupted_pass_is_not_lost(folder):
    images = np.random.default_rng(2).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)

    class Interrupted(Counting):
        def forward(self, x):
            if Counting.n_images == 20:
                raise KeyboardInterrupt
            return super().forward(x)

    encoder = ImageEncoder(Interrupted, input_size=8, memory=folder, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        encoder.transform(images)
    assert cache_info(folder).n_images == 20


@pytest.mark.slow
def test_images_pass_once_in_a_grid_search(folder):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1000, 4, 4, 3), dtype=np.uint8)
    clusterer = SCANClusterer(
        n_clusters=2,
        encoder=ImageEncoder(Counting, input_size=4),
        n_neighbors=5,
        n_heads=1,
        max_epochs=1,
        self_label_epochs=0,
        memory=folder,
        random_state=0,
    )
    grid = {"entropy_weight": [1.0, 2.0, 3.0, 5.0], "n_neighbors": [1, 2, 3, 4, 5]}
    search = GridSearchCV(clusterer, grid, cv=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(images)
    assert len(search.cv_results_["params"]) == 20
    assert Counting.n_images == 1000


# Its size, and an end to it


def test_report_and_clear(images, folder, tmp_path):
    assert cache_info(folder).encoders == []
    counting(folder).transform(images)
    counting(folder, mean=0.1).transform(images[:2])
    (folder / "of somebody else.txt").touch()
    info = cache_info(folder)
    assert info.n_images == len(images) + 2
    assert info.n_bytes == sum(f.stat().st_size for f in folder.rglob("*.sqlite"))
    assert sorted(e.n_images for e in info.encoders) == [2, len(images)]
    assert {e.encoder for e in info.encoders} == {"Counting"}
    assert f"{len(images) + 2} images" in str(info)
    assert clear_cache(folder) == info
    assert cache_info(folder).n_images == 0
    assert [p.name for p in folder.rglob("*") if p.is_file()] == [
        "of somebody else.txt"
    ]
    counting(folder).transform(images)
    assert Counting.n_images == 2 * len(images) + 2


def test_the_report_of_a_damaged_file(images, folder):
    counting(folder).transform(images)
    only_file(folder).write_text("no database")
    (entry,) = cache_info(folder).encoders
    assert (entry.encoder, entry.n_images, entry.n_bytes) == ("(damaged)", 0, 11)
    clear_cache(folder)
    assert cache_info(folder).encoders == []


def test_the_command(images, folder):
    counting(folder).transform(images)
    call = CliRunner().invoke
    assert f"{len(images)} images" in call(main, ["cache", "--memory", folder]).stdout
    assert "Deleted" in call(main, ["cache", "--memory", folder, "--clear"]).stdout
    assert cache_info(folder).n_images == 0


def test_a_memory_without_a_folder_has_no_report():
    with pytest.raises(ValueError, match="must name a folder"):
        cache_info(joblib.Memory(None))


class Configured(nn.Module):
    """Depends on what is no weight, in ways that a repr does not show."""

    def __init__(self, **state):
        super().__init__()
        self.state = state
        self.register_buffer("shift", torch.zeros(1), persistent=False)

    def forward(self, x):
        return x.mean((2, 3)) * self.state["factor"] + self.shift


def with_shift():
    model = Configured(factor=2.0)
    model.shift += 1
    return model


def with_hook():
    model = Configured(factor=2.0)
    model.register_forward_hook(lambda module, inputs, output: -output)
    return model


@pytest.mark.parametrize(
    "other",
    [
        lambda: Configured(factor=3.0),
        lambda: Configured(factor=torch.tensor(4.0)),
        lambda: Configured(factor=np.float32(5)),
        with_shift,
        with_hook,
    ],
)
def test_state_of_all_kinds_is_told_apart(images, folder, other):
    def embed(model, memory):
        return ImageEncoder(model, input_size=8, memory=memory).transform(images)

    embed(lambda: Configured(factor=2.0), folder)
    assert_array_equal(embed(other, folder), embed(other, None))


def test_a_helper_of_the_forward_pass_is_told_apart(images, folder):
    def encoder(factor):
        class Helped(nn.Module):
            def forward(self, x):
                return self.help(x.mean((2, 3)))

            def help(self, x):
                return x * factor

        return ImageEncoder(Helped, input_size=8, memory=folder)

    first = encoder(1).transform(images)
    assert_allclose(encoder(-1).transform(images), -first)


KEY = """
import torch
from torch import nn
from sklearn_scan.encoders.cache import fingerprint

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.kinds = {"cls", "avg", "max"}
        self.linear = nn.Linear(2, 2)
    def forward(self, x):
        return x if x.dim() in {"cls", "avg", "max", 2} else self.linear(x)

torch.manual_seed(0)
print(fingerprint(Model()))
"""


def test_the_key_is_the_same_in_every_process():
    def key(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", KEY]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True
        ).stdout

    assert key("1") == key("2") != b""
