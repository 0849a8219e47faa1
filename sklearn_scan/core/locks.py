"""Locks between threads, processes and machines, by files beside what they guard.

A lock is a hidden file in the folder of what it guards, where other machines see it
too. Its holder deletes it. A killed process leaves it behind: it blocks nobody, and the
next holder deletes it. Where files cannot be locked, as on some network file systems,
the work goes on without.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from sklearn_scan.core import disk
from sklearn_scan.core.disk import AnyPath

_LONGEST_NAME = 180  # bytes; with an ending it has the 255 that file systems allow
# Errors of file systems that have no locks.
_NO_LOCKS = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def beside(target: Path, ending: str) -> Path:
    """Return the path of a hidden companion of `target`, in the same folder."""
    name, digest = target.name, blake2b(os.fsencode(target.name), digest_size=8)
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f"{name[:40]}~{digest.hexdigest()}"
    return target.with_name(f".{name}.{ending}")


@contextmanager
def lock(path: AnyPath, *, wait: float = 0.0) -> Iterator[None]:
    """Keep other threads and processes that lock `path` out of the block."""
    try:
        with hold(beside(Path(path), "lock"), wait=wait):
            yield
    except LockedError as error:
        raise TimeoutError(f"{os.fspath(path)!r} is locked by another one.") from error


class LockedError(TimeoutError):
    """A lock file is held by another one."""


@contextmanager
def hold(place: Path, *, wait: float = 0.0) -> Iterator[bool]:
    """Hold a lock file in the block; tell whether it is held, or cannot be.

    A LockedError is raised if another one has held it for the seconds of `wait`.
    """
    from filelock import FileLock, Timeout

    held = FileLock(place, fallback_to_soft=False)
    try:
        held.acquire(timeout=wait)
    except Timeout as error:
        raise LockedError(f"{str(place)!r} is held.") from error
    except OSError as error:
        if error.errno in _NO_LOCKS:  # found out when the file was made
            with suppress(OSError):
                disk.remove(place)
    try:
        yield held.is_locked
    finally:
        if held.is_locked:
            try:
                if os.name != "nt":  # where FileLock does it, after the release
                    with suppress(OSError):
                        disk.remove(place)
            finally:
                held.release()
