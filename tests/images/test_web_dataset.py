"""Images in a folder of tars."""

import pickle
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from image_helpers import make_tar, read_all
from numpy.testing import assert_array_equal

from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import PathSource, WebDatasetSource, as_image_source


@pytest.fixture
def folder(tmp_path, paths):
    contents = [Path(path).read_bytes() for path in paths]
    folder = tmp_path / "tars"
    folder.mkdir()
    long_name = "long/" * 40 + "c.PNG"  # which takes a header of its own
    make_tar(folder / "10.tar", {long_name: contents[2], "d.png": contents[3]})
    make_tar(
        folder / "2.tar",
        {"b.cls": b"7", "b.png": contents[0], "b.json": b"{}", "a.png": contents[1]},
    )
    (folder / "notes.txt").write_text("not a tar")
    return folder


def test_images_are_in_the_order_of_tars_and_in_tars(folder, rgb, paths):
    source = as_image_source(WebDatasetSource(folder))
    assert_array_equal(read_all(source), rgb)
    assert source.name(0) == f"{folder}/2.tar/b.png"
    assert source.name(2) == f"{folder}/10.tar/{'long/' * 40}c.PNG"
    assert source.unreadable() == []
    plain = PathSource(paths)
    assert [source.identity(i) for i in range(4)] == [
        plain.identity(i) for i in range(4)
    ]


def test_one_tar_is_a_collection_too(folder, rgb):
    assert_array_equal(read_all(WebDatasetSource(folder / "10.tar")), rgb[2:])


def test_a_worker_gets_the_paths_of_its_part(folder, rgb):
    part = WebDatasetSource(folder).for_worker(range(1, 3))
    assert_array_equal(read_all(part), rgb[1:3])


def test_two_files_of_one_name_in_a_tar(folder, rgb, paths):
    with tarfile.open(folder / "12.tar", "w") as archive:
        for path in paths[:2]:
            archive.add(path, "same.png")
    source = WebDatasetSource(folder / "12.tar")
    assert_array_equal(read_all(source), rgb[:2])
    for reader in (source.for_worker(range(2)), pickle.loads(pickle.dumps(source))):
        assert_array_equal(read_all(reader), rgb[:2])
    assert_array_equal(read_all(source.for_worker(range(1))), rgb[:1])
    keys = [source.for_worker(range(i, i + 1)).fingerprint() for i in range(2)]
    assert keys[0] != keys[1]


def test_a_changed_tar_is_another_collection(folder):
    before = WebDatasetSource(folder).fingerprint()
    assert WebDatasetSource(folder).fingerprint() == before
    make_tar(folder / "3.tar", {"e.png": b""})
    assert WebDatasetSource(folder).fingerprint() != before


def test_a_damaged_image_is_named(folder):
    make_tar(folder / "11.tar", {"bad.jpg": b"no image"})
    source = WebDatasetSource(folder)
    with pytest.raises(ImageReadError, match=r"11\.tar/bad\.jpg: not an image"):
        source[4]
    assert [bad.row for bad in source.unreadable()] == [4]


def test_a_tar_that_changes_under_the_source(folder):
    source = WebDatasetSource(folder)
    (folder / "2.tar").write_bytes(b"x" * 5000)
    with pytest.raises(ImageReadError, match=r"2\.tar/.* changed"):
        source[0]


def test_folders_without_images_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        WebDatasetSource(tmp_path / "gone")
    with pytest.raises(ValueError, match="must hold tars of images"):
        WebDatasetSource(tmp_path)
    make_tar(tmp_path / "a.tar", {"a.txt": b""})
    with pytest.raises(ValueError, match="must hold tars of images"):
        WebDatasetSource(tmp_path)
    (tmp_path / "b.tar").write_bytes(b"x" * 5000)
    with pytest.raises(OSError, match=r"b\.tar' is damaged"):
        WebDatasetSource(tmp_path)


def test_many_images_take_little_memory(tmp_path):
    n_images = 20_000
    make_tar(tmp_path / "a.tar", {f"{i:09d}.jpg": b"" for i in range(n_images)})
    tracemalloc.start()
    source = WebDatasetSource(tmp_path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.name(n_images - 1).endswith("000019999.jpg")
    assert kept < 12 * n_images
    assert peak < 60 * n_images
