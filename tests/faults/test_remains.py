"""What killed writers leave goes; what living ones write, and the user's, stays."""

import itertools
import os
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from disk_faults import die_at

from sklearn_scan.core import asides, disk
from sklearn_scan.core.files import (
    FolderKind,
    durable_file,
    durable_folder,
    durable_path,
    find_folder,
)

KIND = FolderKind(
    "a test", "test.json", "test-format", frozenset({"test.json", "data"})
)
WRITER = """
import sys
from sklearn_scan.core.files import FolderKind, durable_path, durable_folder
files = frozenset({"test.json", "data"})
kind = FolderKind("a test", "test.json", "test-format", files)
with durable_folder(sys.argv[2], kind, overwrite=True) if sys.argv[1] == "folder" else (
    durable_path(sys.argv[2])
) as aside:
    (aside / "data" if aside.is_dir() else aside).write_bytes(b"slow")
    if aside.is_dir():
        (aside / "test.json").write_text('{"format": "test-format"}')
    print("writing", flush=True)
    sys.stdin.readline()
"""


def write_file(path, content):
    with durable_file(path) as file:
        file.write(content)


def write_folder(path, content):
    with durable_folder(path, KIND, overwrite=True) as folder:
        (folder / "test.json").write_text('{"format": "test-format"}')
        (folder / "data").write_bytes(content)


WRITERS = {"file": write_file, "folder": write_folder}


@pytest.fixture(params=WRITERS)
def kind(request):
    return request.param


@pytest.fixture
def write(kind):
    return WRITERS[kind]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "result"


@pytest.fixture
def start_writer(kind, path):
    """Start processes that write the path, each until it is told to end."""
    started = []

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, kind, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "writing\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def names(path):
    return sorted(entry.name for entry in path.parent.iterdir())


def read(path):
    return (path / "data" if path.is_dir() else path).read_bytes()


# The dead


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_a_kill_at_any_operation(write, tmp_path, there, done):
    """The old or the new is found, and the next writer leaves nothing else."""
    n_kills = 0
    for number in itertools.count():
        path = tmp_path / str(number) / "result"
        path.parent.mkdir()
        if there:
            write(path, b"before")
            if path.is_dir():
                (path / "diary.txt").write_text("mine")
        died = die_at(number, lambda path=path: write(path, b"after"), done=done)
        found = find_folder(path)
        if there or found.exists():
            assert read(found) in ({b"before", b"after"} if there else {b"after"})
        write(path, b"last")
        assert read(path) == b"last"
        assert names(path) == ["result"]
        if there and path.is_dir():
            assert (path / "diary.txt").read_text() == "mine"
        if not died:
            break
        n_kills += 1
    assert n_kills >= 5


def test_what_a_killed_process_left_is_deleted(write, path, start_writer):
    process = start_writer()
    (part,) = (path.with_name(name) for name in names(path) if name.endswith(".part"))
    process.kill()
    process.wait()
    assert part.exists()
    write(path, b"after")
    assert read(path) == b"after"
    assert names(path) == ["result"]


def token(machine=None):
    return f"{machine or asides._machine()}0123456789abcdef"


def test_a_lock_alone_is_deleted(write, path):
    path.with_name(f".result.{token()}.lock").touch()
    write(path, b"after")
    assert names(path) == ["result"]


def test_a_file_of_the_users_whose_name_is_taken_stays(path):
    write_folder(path, b"before")
    before = path.with_name(f".result.{token()}.before")
    before.mkdir()
    for folder, text in ((path, "newer"), (before, "older")):
        (folder / "diary.txt").write_text(text)
    (before / "data").write_bytes(b"of ours")
    write_folder(path, b"after")
    assert (path / "diary.txt").read_text() == "newer"
    assert [file.name for file in before.iterdir()] == ["diary.txt"]
    (before / "diary.txt").rename(path / "older.txt")
    write_folder(path, b"after")
    assert (path / "older.txt").read_text() == "older"
    assert names(path) == ["result"]


def test_a_folder_put_back_asks_for_overwrite(path):
    write_folder(path, b"before")
    path.rename(path.with_name(f".result.{token()}.before"))
    with (
        pytest.raises(FileExistsError, match="holds a test already"),
        durable_folder(path, KIND, overwrite=False),
    ):
        pytest.fail("the block is entered")
    assert read(path) == b"before"
    assert names(path) == ["result"]


@pytest.mark.parametrize("machine", ["ffffff", "000000"])
def test_what_no_lock_of_this_machine_guards_is_deleted_after_a_day(
    write, path, machine
):
    part = path.with_name(f".result.{token(machine)}.part")
    part.mkdir()
    (part / "data").write_text("perhaps still written")
    write(path, b"after")
    assert names(path) == [part.name, "result"]
    long_ago = time.time() - 25 * 60 * 60
    os.utime(part, (long_ago, long_ago))
    write(path, b"after")
    assert names(path) == [part.name, "result"]  # what is in it changes
    os.utime(part / "data", (long_ago, long_ago))
    write(path, b"after")
    assert names(path) == ["result"]


@pytest.mark.parametrize("name", [".result.part", ".result.12.part", ".results.part"])
def test_files_that_are_named_alike_stay(write, path, name):
    path.with_name(name).touch()
    path.with_name(f".results.{token()}.part").touch()
    write(path, b"after")
    assert sorted(names(path)) == sorted([name, f".results.{token()}.part", "result"])


# The living


def test_what_another_process_is_writing_stays(write, path, start_writer):
    process = start_writer()
    write(path, b"quick")
    assert any(name.endswith(".part") for name in names(path))
    assert read(path) == b"quick"
    process.communicate("end\n", timeout=60)
    assert process.returncode == 0
    assert read(path) == b"slow"
    assert names(path) == ["result"]


def test_what_another_thread_is_writing_stays(kind, write, path):
    slow = durable_path(path)
    if kind == "folder":
        slow = durable_folder(path, KIND, overwrite=True)
    with slow as aside, ThreadPoolExecutor(1) as pool:
        pool.submit(write, path, b"quick").result()
        assert read(path) == b"quick"
        assert aside.exists()
        if kind == "folder":
            (aside / "data").write_bytes(b"slow")
        else:
            aside.write_bytes(b"slow")
    assert read(path) == b"slow"
    assert names(path) == ["result"]


def test_writers_never_share_a_name(path, monkeypatch):
    """Neither those of one process, nor of machines whose processes have one id."""
    monkeypatch.setattr(os, "getpid", lambda: 1)
    with durable_path(path) as one, durable_path(path) as two:
        monkeypatch.setattr(platform, "node", lambda: "another machine")
        with durable_path(path) as three:
            assert len({one, two, three}) == 3
            assert all(each.exists() for each in (one, two, three))


def test_a_folder_amid_its_renames_is_waited_for(path, monkeypatch):
    """Who looks between the two finds it, whole."""
    write_folder(path, b"before")
    replace, found = disk.replace, []

    def replace_slowly(source, target):
        replace(source, target)
        if str(target).endswith(".before"):
            found.append(pool.submit(lambda: read(find_folder(path))))
            time.sleep(0.2)

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(disk, "replace", replace_slowly)
        write_folder(path, b"after")
        assert [each.result() for each in found] == [b"after"]
