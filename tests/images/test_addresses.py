"""Images at addresses that fsspec reads."""

import sys
import zipfile
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from image_helpers import read_all
from numpy.testing import assert_array_equal

from sklearn_scan.datasets import count_skipped, list_images
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import BadImages, SquareCrop, as_image_source, load_pixels


@pytest.fixture
def remote(paths):
    """Return the address of a folder with the images, and things to leave out."""
    files = fsspec.filesystem("memory")
    for i, path in enumerate(paths):
        files.pipe(f"/box/{'sub/' if i else ''}{10 - i}.png", Path(path).read_bytes())
    for name in (".hidden.png", ".git/1.png", "notes.txt", "1.heic"):
        files.pipe(f"/box/{name}", b"")
    yield "memory://box"
    files.rm("/box", recursive=True)


def test_addresses_are_listed_as_the_files_of_a_folder(remote):
    names = ["10.png", "sub/7.png", "sub/8.png", "sub/9.png"]
    assert list_images(remote) == [f"memory:///box/{name}" for name in names]
    assert list_images(remote, recursive=False) == ["memory:///box/10.png"]
    assert count_skipped(remote) == {".heic": 1, "other": 1}


def test_addresses_are_images(remote, rgb, paths):
    source = as_image_source([*list_images(remote), paths[0]])
    assert_array_equal(read_all(source), rgb[[0, 3, 2, 1, 0]])
    assert source.unreadable() == []
    assert source.name(1) == "memory:///box/sub/7.png"
    assert source.identity(0) == source.identity(4)


def test_an_archive_at_an_address(rgb, paths):
    files = fsspec.filesystem("memory")
    with files.open("/box/x.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for path in paths:
            archive.write(path, "in/" + Path(path).name)
    listed = list_images("zip://in::memory://box/x.zip")
    assert listed == [f"zip://in/{i}.png::memory://box/x.zip" for i in range(4)]
    assert_array_equal(read_all(as_image_source(listed)), rgb)
    files.rm("/box", recursive=True)


def test_file_addresses_are_paths(tmp_path, rgb, paths):
    folder = tmp_path / "two words 100%.d"
    folder.mkdir()
    moved = Path(paths[1]).rename(folder / "ü 1.png")
    source = as_image_source([Path(paths[0]).as_uri(), moved.as_uri()])
    assert_array_equal(read_all(source), rgb[:2])
    assert [source.name(i) for i in range(2)] == [paths[0], str(moved)]
    assert list_images(folder.as_uri()) == [str(moved)]


def test_missing_addresses_are_listed_among_bad_images(remote):
    source = as_image_source(["memory://box/10.png", "memory://box/none.png"])
    bad = BadImages("skip")
    with pytest.warns(UserWarning, match="1 of 2 images"):
        load_pixels(source, SquareCrop(4), range(2), bad)
    assert [failure.reason for failure in bad.found] == ["no such file"]


def test_errors_of_the_network_are_listed_among_bad_images(remote, monkeypatch):
    def fail(self, path, **settings):
        raise TimeoutError("no answer")

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fail)
    source = as_image_source(list_images(remote))
    with pytest.raises(ImageReadError) as caught:
        load_pixels(source, SquareCrop(4), range(4), BadImages("raise"))
    assert [failure.reason for failure in caught.value.failures] == ["no answer"] * 4


def test_a_folder_that_cannot_be_listed(remote, monkeypatch):
    def fail(self, path, **settings):
        raise TimeoutError("no answer")

    monkeypatch.setattr(MemoryFileSystem, "find", fail)
    with pytest.raises(OSError, match="can be listed; got 'memory://box': no answer"):
        list_images(remote)


@pytest.mark.parametrize(
    "folder", ["memory://none", "file:///none", "zip://::/none.zip"]
)
def test_folders_that_do_not_exist(folder):
    with pytest.raises((FileNotFoundError, ValueError), match="folder must"):
        list_images(folder)


def test_a_protocol_whose_package_is_missing(monkeypatch, paths):
    def missing(protocol):
        raise ImportError("no s3fs")

    # the package has a variable of this module's name
    registry = sys.modules["fsspec.registry"]
    monkeypatch.setattr(registry, "get_filesystem_class", missing)
    with pytest.raises(ImportError, match=r"'s3://box/1\.png', .*: pip install s3fs\."):
        as_image_source([*paths, "s3://box/1.png"])
    with pytest.raises(ImportError, match=r"pip install s3fs\."):
        list_images("s3://box")
    with pytest.raises(ImportError, match=r"pip install 'fsspec\[http\]'\."):
        as_image_source(["https://host/1.png"])
    with pytest.raises(ImportError, match=r"pip install gcsfs\."):
        as_image_source(["zip://1.png::gs://box/x.zip"])


def test_an_unknown_protocol():
    with pytest.raises(ValueError, match=r"'nope://1\.png' has the unknown .* nope://"):
        as_image_source(["nope://1.png"])
