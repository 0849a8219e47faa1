"""The operations that change the disk, all of them: every writer calls these.

They are called as `disk.replace(...)`, so that a test may stand in for one: to count
them, to stop the process at one, or to have one fail as a disk does.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

AnyPath = str | os.PathLike[str]
_Result = TypeVar("_Result")

# Errors of file systems that sync no folder, or of a folder that may be written to and
# not read.
_NO_SYNC = {
    errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP,
    errno.EACCES, errno.EPERM,
}  # fmt: skip


def create(path: AnyPath) -> None:
    """Make an empty file, which is not there yet."""
    Path(path).touch(exist_ok=False)


def begin(path: AnyPath) -> io.FileIO:
    """Make a file empty, or make an empty file; return it, open for writing."""
    return io.FileIO(path, "w")


def open_file(path: AnyPath) -> BinaryIO:
    """Open a file for writing by `begin`; what is written goes to `write`."""
    return cast(BinaryIO, io.BufferedWriter(_Written(path), buffer_size=2**20))


def write(file: io.FileIO, content: ReadableBuffer) -> int:
    """Write bytes to an open file; return how many it took."""
    return file.write(content)


def write_by_name(
    path: AnyPath,  # noqa: ARG001 - for those who count
    write_it: Callable[[], _Result],
) -> _Result:
    """Have a library write to the file `path`, which it opens itself."""
    return write_it()


def set_mode(path: AnyPath, mode: int) -> None:
    """Set who may read and write a file."""
    os.chmod(path, mode)


def sync(path: AnyPath) -> None:
    """Have the system write a file, or the entries of a folder, to the disk."""
    on_windows = os.name == "nt"  # which opens no folders, and syncs what it may write
    if on_windows and os.path.isdir(path):
        return
    try:
        descriptor = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def sync_all() -> None:
    """Have the system write all that it holds back, of any file, to the disk."""
    if hasattr(os, "sync"):  # Windows has none
        os.sync()


def replace(source: AnyPath, target: AnyPath) -> None:
    """Give a file or a folder the name `target`, in one step."""
    os.replace(source, target)


def copy(source: AnyPath, target: AnyPath) -> None:
    """Copy a file, with its times."""
    shutil.copy2(source, target)


def link(target: AnyPath, place: AnyPath) -> None:
    """Make a symbolic link at `place`."""
    os.symlink(target, place)


def make_folder(path: AnyPath) -> None:
    """Make a folder, which is not there yet."""
    os.mkdir(path)


def make_folders(path: AnyPath) -> None:
    """Make a folder and those above it, where they are not there yet, durably."""
    folder = Path(path)
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent)


def remove(path: AnyPath) -> None:
    """Delete a file or a link, if it is there."""
    Path(path).unlink(missing_ok=True)


def remove_empty_folder(path: AnyPath) -> None:
    """Delete a folder that holds nothing."""
    os.rmdir(path)


def remove_folder(path: AnyPath) -> None:
    """Delete a folder with all that it holds, as far as that is possible."""
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def temporary_folder(inside: AnyPath | None = None) -> Iterator[Path]:
    """Provide an empty folder, and delete it after the block.

    Parameters
    ----------
    inside : path, optional
        The folder that it is in; by default that of the system.
    """
    # what other processes have open for a while, Windows does not delete
    with tempfile.TemporaryDirectory(
        prefix="sklearn-scan-", dir=inside, ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


class _Written(io.RawIOBase):
    """A file whose bytes go to `write`.

    It has no descriptor to give away: NumPy would write around it.
    """

    def __init__(self, path: AnyPath) -> None:
        self._file = begin(path)

    def writable(self) -> bool:
        return True

    def write(self, content: ReadableBuffer) -> int:
        return write(self._file, content)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._file.close()
