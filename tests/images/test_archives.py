"""Images in zip and tar archives, which are not unpacked."""

import pickle
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from image_helpers import make_tar, read_all
from numpy.testing import assert_array_equal

from sklearn_scan.datasets import count_skipped, list_images
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import SquareCrop, as_image_source


def make_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


MAKERS = {".zip": make_zip, ".tar": make_tar}


@pytest.fixture(params=MAKERS)
def suffix(request):
    return request.param


@pytest.fixture
def contents(paths):
    return [Path(path).read_bytes() for path in paths]


@pytest.fixture
def archive(tmp_path, contents, suffix):
    names = ["b/10.png", "b/2.png", "a/x.png", "top.PNG"]
    files = dict(zip(names, contents, strict=True))
    files |= {
        "__MACOSX/._top.png": b"",
        ".hidden/1.png": b"",
        "notes.txt": b"",
        "d/": b"",
    }
    files["photo.heic"] = b""
    return MAKERS[suffix](tmp_path / f"photos{suffix}", files)


def test_members_are_listed_as_the_files_of_a_folder(archive):
    names = ["a/x.png", "b/2.png", "b/10.png", "top.PNG"]
    assert list_images(archive) == [f"{archive}/{name}" for name in names]
    assert list_images(archive, recursive=False) == [f"{archive}/top.PNG"]
    assert list_images(archive / "b") == [f"{archive}/b/2.png", f"{archive}/b/10.png"]
    protocol = archive.suffix[1:]
    assert list_images(f"{protocol}://::{archive}") == list_images(archive)
    assert list_images(f"{protocol}://b::{archive}") == list_images(archive / "b")
    assert count_skipped(archive)[".heic"] == 1


def test_members_are_images(archive, rgb, paths):
    source = as_image_source(list_images(archive))
    assert_array_equal(read_all(source), rgb[[2, 1, 0, 3]])
    assert source.unreadable() == []
    assert source.name(0) == f"{archive}/a/x.png"
    plain = as_image_source(paths)
    assert [source.identity(i) for i in (2, 1, 0, 3)] == list(
        map(plain.identity, range(4))
    )


def test_members_may_be_stored(tmp_path, rgb, contents):
    files = {f"{i}.png": content for i, content in enumerate(contents)}
    archive = make_zip(tmp_path / "stored.zip", files, zipfile.ZIP_STORED)
    assert_array_equal(read_all(as_image_source(list_images(archive))), rgb)


def test_threads_read_members_at_once(archive, rgb):
    source = as_image_source(list_images(archive) * 20)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(source.__getitem__, range(len(source))))
    assert_array_equal(images, np.tile(rgb[[2, 1, 0, 3]], (20, 1, 1, 1)))
    assert source.thread_safe


def test_sources_of_members_can_be_pickled(archive, rgb):
    source = pickle.loads(pickle.dumps(as_image_source(list_images(archive))))
    assert_array_equal(read_all(source), rgb[[2, 1, 0, 3]])


def test_an_archive_that_is_replaced_is_read_anew(tmp_path, suffix, contents):
    path = tmp_path / f"x{suffix}"
    MAKERS[suffix](path, {"1.png": contents[0], "2.png": contents[1]})
    before = as_image_source([f"{path}/1.png"])[0]
    MAKERS[suffix](path, {"0.txt": b"longer", "1.png": contents[1]})
    source = as_image_source([f"{path}/1.png", f"{path}/2.png"])
    assert (source[0] != before).any()
    assert [bad.reason for bad in source.unreadable()] == ["no such file"]


def test_a_folder_may_be_named_like_an_archive(tmp_path, suffix, rgb, contents):
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    (folder / "1.png").write_bytes(contents[0])
    inner = MAKERS[suffix](folder / f"inner{suffix}", {"2.png": contents[1]})
    assert list_images(folder) == [f"{folder}/1.png"]
    source = as_image_source([folder / "1.png", f"{inner}/2.png"])
    assert_array_equal(read_all(source), rgb[:2])


def test_a_large_archive_is_indexed_once(tmp_path, suffix, contents, monkeypatch):
    n_members = 200
    files = {f"{i}.png": contents[0] for i in range(n_members)}
    archive = MAKERS[suffix](tmp_path / f"many{suffix}", files)
    opened = []
    module, name = {
        ".zip": (zipfile, "ZipFile"),
        ".tar": (tarfile, "open"),
    }[suffix]
    original = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *a: opened.append(a) or original(*a))
    source = as_image_source(list_images(archive))
    assert len(read_all(source)) == n_members
    assert len(opened) == 1


def test_hard_links_in_a_tar_are_images_too(tmp_path, rgb, contents):
    path = tmp_path / "links.tar"
    make_tar(path, {"1.png": contents[0]})
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("2.png")
        link.type, link.linkname = tarfile.LNKTYPE, "1.png"
        archive.addfile(link)
    assert_array_equal(read_all(as_image_source(list_images(path))), rgb[[0, 0]])


# Archives that cannot be read


def test_a_damaged_member_is_listed_among_bad_images(tmp_path, contents):
    files = {"1.png": contents[0], "2.png": contents[1], "3.png": b"text", "4.png": b""}
    archive = make_zip(tmp_path / "x.zip", files, zipfile.ZIP_STORED)
    content = archive.read_bytes()
    at = content.index(contents[1]) + len(contents[1]) // 2
    archive.write_bytes(content[:at] + b"\0\0\0\0" + content[at + 4 :])
    source = as_image_source(list_images(archive))
    reasons = {}
    for i in range(4):
        try:
            source.read(i, SquareCrop(4))
        except ImageReadError as error:
            reasons[i] = error.failures[0].reason
    assert list(reasons) == [1, 2, 3]
    assert "CRC" in reasons[1]
    assert reasons[2] == "not an image that PIL knows"
    assert reasons[3] == "empty, zero bytes"


def test_a_damaged_archive(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"no archive" * 100)
    message = rf"archive that can be read; got .*x{suffix}', which is damaged"
    with pytest.raises(ValueError, match=message):
        list_images(path)
    (failure,) = as_image_source([f"{path}/1.png"]).unreadable()
    assert failure.reason.startswith("damaged, or no archive")


def test_an_encrypted_archive(tmp_path, contents):
    archive = make_zip(tmp_path / "x.zip", {"1.png": contents[0]})
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"got .*x\.zip', which is encrypted: unpack"):
        list_images(archive)
    (failure,) = as_image_source([f"{archive}/1.png"]).unreadable()
    assert failure.reason == "encrypted: unpack the archive with its password"


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "X.TAR.XZ"])
def test_a_tar_that_is_compressed(tmp_path, name):
    (tmp_path / name).touch()
    message = rf"compressed as a whole: unpack it, tar -xf {name}\."
    with pytest.raises(ValueError, match=message):
        list_images(tmp_path / name)


def test_what_is_not_there(tmp_path, archive):
    for place in (f"{archive}/nowhere", tmp_path / "no.zip", tmp_path / "no.zip/a"):
        with pytest.raises(FileNotFoundError, match="folder must exist"):
            list_images(place)
    (failure,) = as_image_source([f"{archive}/none.png"]).unreadable()
    assert failure.reason == "no such file"


def test_an_archive_without_images(tmp_path, suffix):
    archive = MAKERS[suffix](tmp_path / f"x{suffix}", {"1.heic": b"", "notes.txt": b""})
    with pytest.raises(ValueError, match=r"holds only 1 \.heic: convert them to JPEG"):
        list_images(archive)


def test_an_archive_in_a_list_is_pointed_out(archive, paths):
    (failure,) = as_image_source([*paths, archive]).unreadable()
    assert "an archive: pass sklearn_scan.datasets.list_images" in failure.reason


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_an_archive_that_is_cut_is_not_taken_for_a_smaller_one(
    tmp_path, suffix, contents, kept
):
    files = {f"{i}.png": contents[0] for i in range(40)}
    archive = MAKERS[suffix](tmp_path / f"x{suffix}", files)
    content = archive.read_bytes()
    end = len(content.rstrip(b"\0"))
    archive.write_bytes(content[: int(kept * end) // 512 * 512 + 100])
    with pytest.raises(ValueError, match="which is damaged"):
        list_images(archive)


def test_a_damaged_header_in_a_tar_is_not_taken_for_its_end(tmp_path, contents):
    archive = make_tar(tmp_path / "x.tar", {"1.png": contents[0], "2.png": contents[1]})
    content = archive.read_bytes()
    archive.write_bytes(content.replace(b"2.png\0", b"3.png\0"))  # a wrong checksum
    with pytest.raises(ValueError, match="which is damaged"):
        list_images(archive)


@pytest.mark.parametrize(
    ("field", "place"), [("version", 6), ("flags, of a name in UTF-8", 9)]
)
def test_a_damaged_table_of_a_zip(tmp_path, contents, field, place):
    archive = make_zip(tmp_path / "x.zip", {"\xe9.png": contents[0]})
    content = bytearray(archive.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + place] = 0xFF
    content[content.index(b"\xc3", at)] = 0xFF
    archive.write_bytes(content)
    with pytest.raises(ValueError, match="which is damaged"):
        list_images(archive)


def test_a_member_that_is_not_at_its_place(tmp_path, rgb, contents):
    files = {f"{i}.png": contents[i] for i in range(3)}
    archive = make_zip(tmp_path / "x.zip", files)
    content = bytearray(archive.read_bytes())
    table = content.index(b"PK\x01\x02")
    second = content.index(b"PK\x01\x02", table + 1)
    content[table + 42] = 7
    content[second + 44] = 0xFF  # far behind the end
    archive.write_bytes(content)
    source = as_image_source(list_images(archive))
    failures = source.unreadable()
    assert [failure.row for failure in failures] == [0, 1]
    assert {failure.reason[:8] for failure in failures} == {"damaged:"}
    assert_array_equal(source[2], rgb[2])


def test_names_that_lead_out_of_an_archive_stay_in_it(tmp_path, suffix, contents):
    names = ["/abs/1.png", "../up/2.png", "in/../3.png", "./4.png", "w\\5.png"]
    files = dict.fromkeys(names, contents[0])
    archive = MAKERS[suffix](tmp_path / f"x{suffix}", files)
    inside = ["3.png", "4.png", "abs/1.png", "up/2.png", "w/5.png"]
    assert list_images(archive) == [f"{archive}/{name}" for name in inside]
    assert as_image_source(list_images(archive)).unreadable() == []


def test_an_archive_of_archives(tmp_path, suffix):
    archive = MAKERS[suffix](tmp_path / f"x{suffix}", {"inner.zip": b""})
    with pytest.raises(ValueError, match=r"holds only 1 \.zip: unpack them"):
        list_images(archive)
    with pytest.raises(ValueError, match=r"pass list_images\(archive\)"):
        (make_zip(tmp_path / "y.zip", {}), archive.unlink(), list_images(tmp_path))
