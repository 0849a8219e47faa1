"""What is written aside: a hidden file or folder beside its target, until it is whole.

Its name has a random token, so that no two writers share one: `.NAME.TOKEN.part`, and
`.NAME.TOKEN.before` for a folder that is being replaced. Its writer holds the lock
`.NAME.TOKEN.lock` as long as it lives: who gets this lock knows that the writer is
dead. So the next one to write the same target deletes what killed ones left, and never
what another thread, process or machine is writing.

On some shares, locks do not reach other machines, and some file systems have none. So
what another machine left, or a writer without a lock, is deleted when nothing in it has
changed for a day.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

from sklearn_scan.core import disk
from sklearn_scan.core.disk import AnyPath
from sklearn_scan.core.locks import LockedError, beside, hold

PART, BEFORE = "part", "before"
_WAIT = 10.0  # seconds for a lock that others try for a moment
_DAY = 24 * 60 * 60.0

# A token begins with the machine, or with zeros if its writer has no lock.
_NO_LOCK = "0" * 6
_TOKEN = r"([0-9a-f]{22})"


def _machine() -> str:
    return blake2b(platform.node().encode(), digest_size=3).hexdigest()


@contextmanager
def make_aside(target: Path, make: Callable[[AnyPath], None]) -> Iterator[Path]:
    """Provide a new file or folder beside `target`; what is left of it is deleted."""
    rest = secrets.token_hex(8)
    with hold(beside(target, f"{_machine()}{rest}.lock"), wait=_WAIT) as held:
        aside = beside(target, f"{_machine() if held else _NO_LOCK}{rest}.{PART}")
        try:
            make(aside)
        except OSError as error:
            refusal = type(error)(
                f"path cannot be written: {str(target)!r} ({error.strerror})."
            )
            refusal.errno = error.errno
            raise refusal from error
        try:
            yield aside
        finally:
            with suppress(OSError):  # then the next writer deletes it
                _delete(aside)


def place_before(aside: Path) -> Path:
    """Return where a folder goes while the one at `aside` takes its name."""
    return aside.with_suffix(f".{BEFORE}")


def find_befores(target: Path) -> list[Path]:
    """Return the folders that were at `target` when a writer replaced them."""
    return [beside(target, f"{t}.{BEFORE}") for t in _tokens(target, BEFORE)]


def clear_remains(target: Path, own: frozenset[str] = frozenset()) -> None:
    """Delete what killed writers of `target` left beside it, and put back the rest.

    A folder that was being replaced is put back if there is none at `target`.
    Otherwise its files named `own` are deleted, and all others, which are the user's,
    are moved into the one at `target`. One whose name is taken there stays.
    """
    for token in _tokens(target, f"{PART}|{BEFORE}|lock"):
        lock_file = beside(target, f"{token}.lock")
        with suppress(LockedError, OSError), hold(lock_file) as held:
            part = beside(target, f"{token}.{PART}")
            before = beside(target, f"{token}.{BEFORE}")
            is_dead = held and token.startswith(_machine())
            if is_dead or _age(part, before) > _DAY:
                _delete(part)
                if before.is_dir():
                    _settle(before, target, own)


def _settle(before: Path, target: Path, own: frozenset[str]) -> None:
    """Put back a folder that was replaced, or its files that are the user's."""
    if not target.exists():
        disk.replace(before, target)
        disk.sync(target.parent)
        return
    for name in names_of_others(before, own):
        if not os.path.lexists(target / name):
            disk.replace(before / name, target / name)
    disk.sync(target)
    remove_own(before, own)


def remove_own(folder: Path, own: frozenset[str]) -> None:
    """Delete the files named `own` of a folder, and the folder if it is empty then."""
    for name in own:
        disk.remove(folder / name)
    disk.remove_empty_folder(folder)


def names_of_others(folder: Path, own: frozenset[str]) -> list[str]:
    """Return the names in a folder that are not `own`."""
    return sorted(set(os.listdir(folder)) - own)


def _tokens(target: Path, endings: str) -> list[str]:
    """Return the tokens in the names of companions with one of the endings."""
    stem = re.escape(beside(target, "").name)
    try:
        names = os.listdir(target.parent)
    except PermissionError:  # a folder that may be written to and not read
        return []
    found = (re.fullmatch(f"{stem}{_TOKEN}\\.(?:{endings})", name) for name in names)
    return sorted({match[1] for match in found if match})


def _age(*places: Path) -> float:
    """Return the seconds since something in one of the places has changed."""
    changes = [
        each.stat(follow_symlinks=False).st_mtime
        for place in places
        if os.path.lexists(place)
        for each in (place, *place.rglob("*"))
    ]
    return time.time() - max(changes, default=time.time())


def _delete(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        disk.remove_folder(place)
    elif os.path.lexists(place):
        disk.remove(place)
