"""Durable writing: a file or a folder is there whole, or as it was before.

The promise of `durable_file`, `durable_path` and `durable_folder`:

- What is written has a random hidden name in the same folder until it is complete.
- Its files and its folder are synced (`fsync`): they are on the disk, and survive a
  loss of power. File systems that sync no folders do without that step.
- It takes its name by `os.replace`. A lock lets one writer at a time do so.
- If anything fails before, it is deleted, and what was there stays. If the sync after
  the rename fails, the error is raised, and the complete file or folder is in place.

A lock is a file `.NAME.lock` beside what it guards, where other machines see it too.
Its holder deletes it. A killed process leaves it behind: it blocks nobody, and the next
holder deletes it. Where files cannot be locked, as on some network file systems, or one
holds the lock for long, writing goes on without: files are still replaced whole.

What a killed process was writing stays too, as `.NAME.….part`, and so does the folder
that it was replacing, as `.NAME.before-…`: that may hold files of the user.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

AnyPath = str | os.PathLike[str]

_BEFORE = ".{}.before-"  # begins the name of a folder while it is replaced
_LONGEST_WAIT = 10.0  # seconds for a lock that is held while something is renamed
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # a disk, a quota, a file
# Errors of file systems that have no locks, and of those that sync no folder, or of a
# folder that may be written to and not read.
_NO_LOCKS = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_SYNC = _NO_LOCKS | {errno.EACCES, errno.EPERM}


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


def replace(source: AnyPath, target: AnyPath) -> None:
    """Give a file or a folder the name `target`, in one step."""
    os.replace(source, target)


@contextmanager
def lock(path: AnyPath, *, wait: float = 0.0) -> Iterator[None]:
    """Keep other threads and processes that lock `path` out of the block."""
    from filelock import FileLock, Timeout

    place = Path(path).with_name(f".{Path(path).name}.lock")
    held = FileLock(place, fallback_to_soft=False)
    try:
        held.acquire(timeout=wait)
    except Timeout as error:
        raise TimeoutError(f"{os.fspath(path)!r} is locked by another one.") from error
    except OSError as error:
        if error.errno in _NO_LOCKS:  # found out when the file was made
            with suppress(OSError):
                place.unlink()
    try:
        yield
    finally:
        if held.is_locked:
            if os.name != "nt":  # where FileLock does it, after the release
                with suppress(OSError):
                    place.unlink()
            held.release()


@contextmanager
def durable_file(path: AnyPath) -> Iterator[BinaryIO]:
    """Provide a file that takes the name `path` when the block has ended well."""
    with durable_path(path) as aside, open(aside, "wb") as file:
        yield file


@contextmanager
def durable_path(path: AnyPath) -> Iterator[Path]:
    """Provide an empty file as `durable_file` does, for what writes files by name."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"path must be a file; got the folder {str(target)!r}.")
    aside = _make_aside(target, lambda place: place.touch(exist_ok=False))
    try:
        with _naming(target):
            yield aside
            sync(aside)
            with _one_writer(target):
                replace(aside, target)
            sync(target.parent)
    finally:
        aside.unlink(missing_ok=True)


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
            return self.format.encode() in (path / self.document).read_bytes()[:200]
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
    if target.exists():  # not amid another writer's renames
        with _one_writer(target):
            kind.check_free(target, overwrite=overwrite)
    aside = _make_aside(target, Path.mkdir)
    try:
        with _naming(target):
            yield aside
            for each in aside.rglob("*"):
                sync(each)
            with _one_writer(target):
                kind.check_free(target, overwrite=overwrite)  # the block took a while
                _put_in_place(aside, target, kind.files)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def find_replaced(path: AnyPath) -> Path | None:
    """Return the folder that was at `path`, if the machine stopped between renames."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        return None
    start = _BEFORE.format(target.name)
    return next((e for e in target.parent.iterdir() if e.name.startswith(start)), None)


def _put_in_place(aside: Path, target: Path, files: frozenset[str]) -> None:
    """Rename the new folder; on an error, rename all back."""
    before = target.with_name(_BEFORE.format(target.name) + secrets.token_hex(4))
    there = target.iterdir() if target.exists() else ()
    others = [each.name for each in there if each.name not in files]
    try:
        if target.exists():
            replace(target, before)
        for name in others:
            replace(before / name, aside / name)
        sync(aside)
        replace(aside, target)
    except BaseException:
        if aside.exists() and before.exists():
            for name in others:
                if os.path.lexists(aside / name):
                    replace(aside / name, before / name)
            replace(before, target)
        raise
    try:
        sync(target.parent)
    finally:
        shutil.rmtree(before, ignore_errors=True)


def _make_aside(target: Path, make: Callable[[Path], None]) -> Path:
    """Make an empty file or folder with a random name beside `target`."""
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path must be in a folder that exists; got {str(target)!r}."
        )
    # cut: a long name would have no room for more letters
    aside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        make(aside)
    except OSError as error:
        raise type(error)(
            f"path cannot be written: {str(target)!r} ({error.strerror})."
        ) from error
    return aside


@contextmanager
def _naming(target: Path) -> Iterator[None]:
    """Name the target in the errors of a full disk, which name nothing."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _FULL:
            error.filename = str(target)
        raise


@contextmanager
def _one_writer(target: Path) -> Iterator[None]:
    """Let one writer at a time rename to `target`; wait no longer than reasonable."""
    with ExitStack() as stack:
        with suppress(TimeoutError):
            stack.enter_context(lock(target, wait=_LONGEST_WAIT))
        yield
