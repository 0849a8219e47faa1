"""Durable writing: a file or a folder is there whole, or as it was before.

The promise of `durable_file`, `durable_path` and `durable_folder`:

- What is written has a random hidden name in the same folder until it is complete.
- Its files and its folder are synced (`fsync`): they are on the disk, and survive a
  loss of power. File systems that sync no folders do without that step.
- It takes its name by `os.replace`. A lock lets one writer at a time do so.
- If anything fails before, it is deleted, and what was there stays. If the sync after
  the rename fails, the error is raised, and the complete file or folder is in place.
- What a killed process left is deleted by the next writer of the same target, and what
  another one is writing never is: see `asides`.

A folder is replaced by two renames: the old one gets a hidden name, and the new one its
own. Then the files in the old one that are the user's move to the new one, and the old
one is deleted. After a kill between the two, `find_folder` finds the old one by its
hidden name, and the next writer puts it back. After a kill later, the next writer moves
what is left of the user's. Nothing of the user's is ever deleted.

Where one holds the lock for long, writing goes on without: files are still replaced
whole.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from sklearn_scan.core import disk
from sklearn_scan.core.asides import (
    clear_remains,
    find_befores,
    make_aside,
    names_of_others,
    place_before,
    remove_own,
)
from sklearn_scan.core.disk import AnyPath
from sklearn_scan.core.locks import lock

_Result = TypeVar("_Result")

_LONGEST_WAIT = 10.0  # seconds for a lock that is held while something is renamed
# Errors that name no file: of a disk, a quota or a file that is full, and of a device.
_NAMELESS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


@contextmanager
def durable_file(path: AnyPath) -> Iterator[BinaryIO]:
    """Provide a file that takes the name `path` when the block has ended well."""
    with durable_path(path) as aside, disk.open_file(aside) as file:
        yield file


@contextmanager
def durable_path(path: AnyPath) -> Iterator[Path]:
    """Provide an empty file as `durable_file` does, for what writes files by name."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"path must be a file; got the folder {str(target)!r}.")
    _check_parent(target)
    clear_remains(target)
    with make_aside(target, disk.create) as aside, naming(target):
        yield aside
        disk.sync(aside)
        with _one_writer(target):
            disk.replace(aside, target)
        disk.sync(target.parent)


@dataclass(frozen=True)
class FolderKind:
    """A kind of folder that this package writes, and what of it may be replaced."""

    name: str  # what such a folder holds, as in "a saved model"
    document: str  # the file that begins with the name of the format
    format: str
    files: frozenset[str]  # the names of all files; others in the folder are the user's

    def is_at(self, path: Path) -> bool:
        """Tell a folder of this kind, even a damaged one, from others."""
        try:
            with open(path / self.document, "rb") as document:
                return self.format.encode() in document.read(200)
        except OSError:
            return False

    def check_free(self, path: Path, *, overwrite: bool) -> None:
        """Raise a FileExistsError if what is at `path` may not be replaced."""
        if not path.exists():
            return
        if not path.is_dir():
            raise FileExistsError(f"path must be a folder; {str(path)!r} is a file.")
        names = sorted(entry.name for entry in path.iterdir())
        if names and not self.is_at(path):
            raise FileExistsError(
                f"path must be a folder that is not there yet; {str(path)!r} holds "
                f"other things than {self.name} ({names[0]!r})."
            )
        if names and not overwrite:
            raise FileExistsError(
                f"{str(path)!r} holds {self.name} already: pass overwrite=True to "
                "replace it."
            )


@contextmanager
def durable_folder(
    path: AnyPath, kind: FolderKind, *, overwrite: bool
) -> Iterator[Path]:
    """Provide an empty folder that takes the name `path` when the block ends well."""
    target = Path(os.path.realpath(path))  # a link to a folder stays a link
    _check_parent(target)
    with _one_writer(target):  # not amid another writer's renames
        clear_remains(target, kind.files)
        kind.check_free(target, overwrite=overwrite)
    with make_aside(target, disk.make_folder) as aside, naming(target):
        yield aside
        for each in (*aside.rglob("*"), aside):
            disk.sync(each)
        with _one_writer(target):
            kind.check_free(target, overwrite=overwrite)  # the block took a while
            _put_in_place(aside, target, kind.files)


def find_folder(path: AnyPath) -> Path:
    """Return where the folder `path` is: aside, if it was being replaced.

    A process may have been killed while it did so; one at work is waited for.
    """
    target = Path(os.path.realpath(path))
    if target.exists() or not target.parent.is_dir() or not find_befores(target):
        return Path(path)
    with _one_writer(target):
        befores = [] if target.exists() else find_befores(target)
    return next((each for each in befores if each.is_dir()), Path(path))


def read_folder_whole(path: AnyPath, read: Callable[[Path], _Result]) -> _Result:
    """Return what `read` makes of a folder, all of one state where it is replaced."""
    while True:
        folder = find_folder(path)
        before = _identity(folder)
        try:
            result = read(folder)
        except Exception:
            if _identity(folder) == before:
                raise
        else:
            if _identity(folder) == before:
                return result


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _put_in_place(aside: Path, target: Path, files: frozenset[str]) -> None:
    """Rename the new folder, and keep what is the user's; on an error, rename back."""
    before = place_before(aside)
    if not target.exists():
        disk.replace(aside, target)
        disk.sync(target.parent)
        return
    others = names_of_others(target, files)
    moves = [(target, before), (aside, target)]
    moves += [(before / name, target / name) for name in others]
    _rename_all(moves)
    try:
        if others:
            disk.sync(target)
        disk.sync(target.parent)
    finally:
        with suppress(OSError):  # then the next writer deletes it
            remove_own(before, files)


def _rename_all(moves: list[tuple[Path, Path]]) -> None:
    """Rename all, or none if there is an error."""
    try:
        for source, target in moves:
            disk.replace(source, target)
    except BaseException:
        for source, target in reversed(moves):
            if os.path.lexists(target) and not os.path.lexists(source):
                disk.replace(target, source)
        raise


def _check_parent(target: Path) -> None:
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path must be in a folder that exists; got {str(target)!r}."
        )


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Name the target in the errors of a disk, which name nothing."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _NAMELESS:
            error.filename = str(target)
        raise


@contextmanager
def _one_writer(target: Path) -> Iterator[None]:
    """Let one writer at a time rename to `target`; wait no longer than reasonable."""
    with ExitStack() as stack:
        with suppress(TimeoutError):
            stack.enter_context(lock(target, wait=_LONGEST_WAIT))
        yield
