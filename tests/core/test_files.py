"""Durable writing: whole or as before, whatever fails; nothing left behind."""

import errno
import multiprocessing
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sklearn_scan.core import disk, files
from sklearn_scan.core.files import (
    FolderKind,
    durable_file,
    durable_folder,
    durable_path,
    find_folder,
)
from sklearn_scan.core.locks import lock

KIND = FolderKind(
    "a test", "test.json", "test-format", frozenset({"test.json", "data"})
)
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


def write_file(path, content, error=None):
    with durable_file(path) as file:
        file.write(content)
        end(error)


def write_path(path, content, error=None):
    with durable_path(path) as aside:
        aside.write_bytes(content)
        end(error)


def write_folder(path, content, error=None):
    with durable_folder(path, KIND, overwrite=True) as folder:
        (folder / "test.json").write_text('{"format": "test-format"}')
        (folder / "data").write_bytes(content)
        end(error)


def end(error):
    if error is not None:
        raise error


def read(path):
    return (path / "data" if path.is_dir() else path).read_bytes()


@pytest.fixture(params=[write_file, write_path, write_folder])
def write(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "result"


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


# Success


def test_what_is_written_appears_when_it_is_complete(write, path):
    write(path, b"before")
    write(str(path), b"after")
    assert read(path) == b"after"
    assert names(path) == ["result"]


def test_it_is_not_there_in_the_block(path):
    with durable_file(path) as file:
        file.write(b"half")
        assert not path.exists()
    with durable_folder(path.with_name("folder"), KIND, overwrite=False) as folder:
        assert folder.parent == path.parent
        assert not path.with_name("folder").exists()


def test_another_file_may_be_put_in_the_place(path):
    with durable_path(path) as aside:
        write_file(aside, b"inner")
    assert path.read_bytes() == b"inner"
    assert names(path) == ["result"]


def test_files_are_synced_before_and_the_folder_after_they_take_their_name(
    write, path, monkeypatch
):
    write(path, b"before")
    done = []
    replace = disk.replace
    monkeypatch.setattr(disk, "sync", lambda path: done.append(("sync", Path(path))))
    monkeypatch.setattr(
        disk,
        "replace",
        lambda a, b: (done.append(("replace", Path(b))), replace(a, b)),
    )
    write(path, b"after")
    placed = done.index(("replace", path))
    synced = {name.name for what, name in done[:placed] if what == "sync"}
    if write is write_folder:
        assert synced >= {"test.json", "data"}
        assert len(synced) == 3  # the folder itself, too
    else:
        assert len(synced) == 1
    assert done[-1] == ("sync", path.parent)
    assert done.count(("replace", path)) == 1


def test_the_disk_is_asked_to_write(write, path, monkeypatch):
    n_synced = []
    monkeypatch.setattr(os, "fsync", n_synced.append)
    write(path, b"content")
    assert len(n_synced) == (4 if write is write_folder else 2)


def test_names_as_long_as_the_system_has_them(write, tmp_path):
    path = tmp_path / ("n" * 255)
    write(path, b"content")
    assert names(path) == ["n" * 255]


def test_a_relative_path(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("result", b"content")
    assert read(tmp_path / "result") == b"content"


# Failure


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_all_as_it_was(write, path, there, error):
    if there:
        write(path, b"before")
    with pytest.raises(error):
        write(path, b"half", error)
    assert names(path) == (["result"] if there else [])
    assert not there or read(path) == b"before"


def break_call(monkeypatch, step, number, error):
    """Have the call of this number fail, and all others work."""
    original, n_calls = getattr(disk, step), 0

    def broken(*arguments):
        nonlocal n_calls
        n_calls += 1
        if n_calls == number:
            raise error
        return original(*arguments)

    monkeypatch.setattr(disk, step, broken)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt])
@pytest.mark.parametrize("number", range(1, 6))
@pytest.mark.parametrize("step", ["sync", "replace"])
@pytest.mark.parametrize("there", [True, False])
def test_a_step_that_fails_leaves_all_as_it_was(
    write, path, there, step, number, error, monkeypatch
):
    if there:
        write(path, b"before")
        if write is write_folder:
            for name in ("diary.txt", "notes.txt"):
                (path / name).write_text("mine")
    with monkeypatch.context() as patch:
        break_call(patch, step, number, error)
        try:
            write(path, b"after")
            failed = False
        except (OSError, KeyboardInterrupt):
            failed = True
    n_syncs = 2 if write is not write_folder else 5 if there else 4
    n_replaces = 1 if write is not write_folder or not there else 4
    assert failed == (number <= (n_syncs if step == "sync" else n_replaces))
    # but those of the folders: the new one has its name by then
    n_before = 3 if write is write_folder else 1
    done = not failed or (step == "sync" and number > n_before)
    if there or done:
        assert read(path) == (b"after" if done else b"before")
    if there and write is write_folder:
        assert (path / "diary.txt").read_text() == "mine"
        assert (path / "notes.txt").read_text() == "mine"
        names_within = {"test.json", "data", "diary.txt", "notes.txt"}
        assert {entry.name for entry in path.iterdir()} == names_within
    assert names(path) == (["result"] if there or done else [])


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_that_names_the_path(write, path, code, monkeypatch):
    def full(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"{os.strerror(code)}.*result'"):
        write(path, b"content")
    assert names(path) == []


def test_a_file_system_that_syncs_no_folders(write, path, monkeypatch):
    def sync_files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", sync_files_only)
    write(path, b"content")
    assert read(path) == b"content"


def test_a_parent_that_is_not_there(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"in a folder that exists; got .*none"):
        write(tmp_path / "none" / "result", b"content")


def test_a_file_in_the_place_of_a_folder_and_the_reverse(tmp_path):
    (tmp_path / "folder").mkdir()
    for way in (write_file, write_path):
        with pytest.raises(IsADirectoryError, match="must be a file; got the folder"):
            way(tmp_path / "folder", b"content")
    write_file(tmp_path / "file", b"before")
    with pytest.raises(FileExistsError, match=r"must be a folder; .* is a file"):
        write_folder(tmp_path / "file", b"content")
    assert read(tmp_path / "file") == b"before"
    assert names(tmp_path / "file") == ["file", "folder"]


def test_a_folder_that_may_not_be_written_to(write, path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(PermissionError, match=r"cannot be written: .*result.*denied"):
        write(path, b"content")


# Folders


def test_what_may_be_replaced(path):
    path.mkdir()
    write_folder(path, b"in an empty one")
    with (
        pytest.raises(FileExistsError, match="holds a test already: pass overwrite"),
        durable_folder(path, KIND, overwrite=False),
    ):
        pytest.fail("the block is entered")
    (path / "test.json").unlink()
    with pytest.raises(FileExistsError, match=r"other things than a test \('data'\)"):
        write_folder(path, b"content")
    assert read(path) == b"in an empty one"


def test_what_came_while_the_block_was_at_work_stays(path):
    with (
        pytest.raises(FileExistsError, match="holds a test already"),
        durable_folder(path, KIND, overwrite=False),
    ):
        write_folder(path, b"of another")
    assert read(path) == b"of another"
    assert names(path) == ["result"]


def test_what_was_there_is_found_after_a_loss_of_power(path):
    write_folder(path, b"before")
    assert find_folder(path) == path
    assert find_folder(path / "none" / "result") == path / "none" / "result"
    before = path.with_name(f".result.{'0' * 22}.before")
    path.rename(before)
    assert find_folder(path) == before


# Links and permissions


def test_a_link_to_a_file_is_replaced(path):
    write_file(path, b"before")
    link = path.with_name("link")
    link.symlink_to(path)
    write_file(link, b"after")
    assert not link.is_symlink()
    assert (read(link), read(path)) == (b"after", b"before")


def test_a_link_to_a_folder_is_followed(path):
    write_folder(path, b"before")
    link = path.with_name("link")
    link.symlink_to(path)
    write_folder(link, b"after")
    assert link.is_symlink()
    assert read(path) == b"after"


@posix_only
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_ordinary_files(write, path, umask):
    before = os.umask(umask)
    try:
        write(path, b"content")
        (path.parent / "file").write_text("")
        (path.parent / "folder").mkdir()
    finally:
        os.umask(before)
    ordinary = path.with_name("folder" if write is write_folder else "file")
    assert path.stat().st_mode == ordinary.stat().st_mode


# Several at once


CONTENTS = [bytes([65 + i]) * 1_000_000 for i in range(4)]


def test_threads_that_write_the_same(write, path):
    with ThreadPoolExecutor(4) as pool:
        for written in [pool.submit(write, path, content) for content in CONTENTS * 3]:
            written.result()
    assert read(path) in CONTENTS
    assert names(path) == ["result"]


def write_again_and_again(write, path, content):
    for _ in range(10):
        write(path, content)


def test_processes_that_write_the_same(write, path):
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=write_again_and_again, args=(write, path, content))
        for content in CONTENTS[:2]
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert read(path) in CONTENTS
    assert names(path) == ["result"]


# Locks


def test_a_lock_keeps_others_out_and_leaves_no_file(path):
    with lock(path):
        assert names(path) == [".result.lock"]
        with pytest.raises(TimeoutError, match="result' is locked"), lock(path):
            pytest.fail("two are in")
        with lock(path.with_name("other")):
            pass
    assert names(path) == []
    with lock(path):
        pass


def test_one_is_in_at_a_time(path):
    inside = []

    def enter(number):
        with lock(path, wait=60):
            inside.append(number)
            time.sleep(0.01)
            assert inside == [number]
            inside.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(24)))
    assert names(path) == []


def test_the_lock_of_a_killed_process_blocks_nobody(path):
    path.with_name(".result.lock").write_text("")
    with lock(path):
        pass
    assert names(path) == []


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
@posix_only
def test_a_file_system_without_locks(write, path, code, monkeypatch):
    def refuse(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    with lock(path):
        pass
    write(path, b"content")
    assert read(path) == b"content"
    assert names(path) == ["result"]


def test_a_lock_that_is_never_let_go_does_not_stop_the_work(write, path, monkeypatch):
    monkeypatch.setattr(files, "_LONGEST_WAIT", 0.1)
    with lock(path):
        write(path, b"content")
    assert read(path) == b"content"
    assert names(path) == ["result"]


def test_a_lock_that_may_not_be_made(write, path, monkeypatch):
    path.with_name(".result.lock").mkdir()
    write(path, b"content")
    assert read(path) == b"content"
