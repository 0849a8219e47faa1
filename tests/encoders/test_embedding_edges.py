"""The rows of an embedding that an interrupted pass has left, and a disk that fails."""

import errno
import json
import os
import zlib

import numpy as np
import pytest

from sklearn_scan.core import disk
from sklearn_scan.encoders._embedding_array import EmbeddingFile

ROWS = np.arange(18, dtype=np.float32).reshape(6, 3)


def fill(out, *, stop_at=None):
    """Fill a file; return from which row on."""
    array = EmbeddingFile(range(len(ROWS)), out, "the same")
    with array.filling():
        first = array.n_done
        for row in range(first, len(ROWS)):
            if row == stop_at:
                raise KeyboardInterrupt
            array[row] = ROWS[row]
            array.note(row + 1, [])
        array.finish([])
    return first


@pytest.fixture
def out(tmp_path):
    return tmp_path / "embedding.npy"


@pytest.fixture
def left(out):
    """The folder that a pass has left which was stopped in the middle."""
    with pytest.raises(KeyboardInterrupt):
        fill(out, stop_at=4)
    (folder,) = out.parent.iterdir()
    return folder


def assert_whole(out):
    np.testing.assert_array_equal(np.load(out), ROWS)
    assert list(out.parent.iterdir()) == [out]


def test_it_goes_on(out, left):
    assert fill(out) == 4
    assert_whole(out)


@pytest.mark.parametrize(
    ("shape", "kind"), [((6, 3), "f8"), ((6,), "f4"), ((5, 3), "f4")]
)
def test_rows_of_another_kind_are_filled_anew(shape, kind, out, left):
    """Even with the checksum that the note has of them."""
    rows = np.zeros(shape, kind)
    np.save(left / "rows.npy", rows)
    note = json.loads((left / "progress.json").read_text())
    note["spans"] = [[4, zlib.crc32(rows[:4].tobytes())]]
    (left / "progress.json").write_text(json.dumps(note))
    assert fill(out) == 0
    assert_whole(out)


def fail_once(monkeypatch, name, *, when):
    """Have an operation of the disk fail the first time that its path is such."""
    operation, failed = getattr(disk, name), []

    def fail(path, *arguments):
        if not failed and when(os.fspath(path)):
            failed.append(path)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return operation(path, *arguments)

    monkeypatch.setattr(disk, name, fail)


def test_a_folder_that_cannot_be_synced_is_not_left(out, monkeypatch):
    fail_once(monkeypatch, "sync", when=lambda path: path == str(out.parent))
    with pytest.raises(OSError, match=r"embedding\.npy"):
        fill(out)
    assert not list(out.parent.iterdir())
    assert fill(out) == 0
    assert_whole(out)


def test_rows_that_are_done_are_kept_where_the_file_is_not(out, monkeypatch):
    def is_made(path):
        return path.endswith("rows.npy") and os.path.exists(path)

    fail_once(monkeypatch, "write_by_name", when=is_made)
    with pytest.raises(OSError, match=r"embedding\.npy"):
        fill(out)
    assert not out.exists()
    assert fill(out) == len(ROWS)
    assert_whole(out)
