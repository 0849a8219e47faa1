"""Durable writing and reading where permissions are odd, or others are at work."""

import errno
import os
from pathlib import Path

import pytest

from sklearn_scan.core.documents import read_document
from sklearn_scan.core.files import (
    FolderKind,
    durable_file,
    durable_folder,
    read_folder_whole,
)

KIND = FolderKind("a test", "test.json", "test-format", frozenset({"test.json"}))


def write_file(path, content):
    with durable_file(path) as file:
        file.write(content)


def write_folder(path, content):
    with durable_folder(path, KIND, overwrite=True) as folder:
        (folder / "test.json").write_bytes(b"test-format" + content)


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_folder_that_may_be_written_to_and_not_read(write, tmp_path, monkeypatch):
    """What killed ones left cannot be found there: it stays, and the work goes on."""
    path, left = tmp_path / "result", tmp_path / f".result.{'0' * 22}.part"
    left.touch()
    os.utime(left, (0, 0))  # it would go if it was seen
    look, open_any = os.listdir, os.open

    def list_others(folder):
        refuse(folder)
        return look(folder)

    def open_others(file, *arguments, **options):
        refuse(file)
        return open_any(file, *arguments, **options)

    def refuse(place):
        if Path(place) == tmp_path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", list_others)
        patch.setattr(os, "open", open_others)
        write(path, b"content")
    written = path / "test.json" if path.is_dir() else path
    assert written.read_bytes().endswith(b"content")
    assert sorted(tmp_path.iterdir()) == [left, path]


# Folders that others replace while they are read


def read_amid(path, *, fail):
    """Read a folder that is replaced after the first look at it."""
    seen = []

    def read(folder):
        seen.append((folder / "test.json").read_bytes().removeprefix(b"test-format"))
        if len(seen) == 1:
            write_folder(path, b"new")
            if fail:
                raise ValueError("half of it is gone")
        return seen[-1]

    return read_folder_whole(path, read), seen


@pytest.mark.parametrize("fail", [False, True])
def test_a_folder_that_was_replaced_is_read_again(fail, tmp_path):
    write_folder(tmp_path / "result", b"old")
    result, seen = read_amid(tmp_path / "result", fail=fail)
    assert result == b"new"
    assert seen == [b"old", b"new"]


def test_an_error_of_a_folder_that_nobody_replaced_is_raised(tmp_path):
    write_folder(tmp_path / "result", b"old")
    seen = []

    def read(folder):
        seen.append(folder)
        raise ValueError("it is damaged")

    with pytest.raises(ValueError, match="it is damaged"):
        read_folder_whole(tmp_path / "result", read)
    assert seen == [tmp_path / "result"]


# Documents


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="it is no file"):
        read_document(tmp_path / "pipe", largest=100)


def test_a_folder_in_the_place_of_a_document(tmp_path):
    with pytest.raises(ValueError, match="it is no file"):
        read_document(tmp_path, largest=100)
