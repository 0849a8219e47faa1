"""A checkpoint: what a long piece of work has done so far, in a folder.

Each time something is kept, a new numbered folder is written, and then the file
`checkpoint.json`, which says which number is the latest, is replaced in one step. A
numbered folder holds the new entries, and `state.json`, which lists all entries with
the folder and the digest of each. So an entry is written once, however long it is kept.

After a kill or a loss of power the latest state, or the one before, is there whole:
both are kept, and nothing is deleted before what replaces it is on the disk. If the
latest is damaged, the one before is used, with a warning. Nothing is pickled.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn_scan.core import disk
from sklearn_scan.core.documents import (
    file_digest,
    is_sound,
    read_document,
    write_document,
)
from sklearn_scan.core.files import FolderKind, durable_folder, durable_path
from sklearn_scan.core.locks import lock
from sklearn_scan.core.plain_data import Plain, read_plain, write_plain
from sklearn_scan.core.ranks import rank
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Advice, Message
from sklearn_scan.exceptions import CheckpointError

_FORMAT, _VERSION = "sklearn-scan-checkpoint", 1
_POINTER, _STATE, _SUFFIX = "checkpoint.json", "state.json", ".safetensors"
_FOLDER = re.compile(r"state-(\d{6,})")
_LARGEST = 2**26  # bytes of a document
# What reading a damaged state raises.
_DAMAGE = (AttributeError, LookupError, OSError, TypeError, ValueError)
_PARTS = "state-parts"  # the folder of parts that keep themselves
_FACT = "fact-"  # begins the names of entries that are facts
_ENTRY = re.compile(r"[\w-]+")
_SEEDS = "random_state"
_LONGEST_FACT = 60  # letters that are shown of one

_BEGIN_ANEW = Advice(
    "begin anew", "pass another folder (or delete this one) to begin anew"
)

Facts = Mapping[str, str]  # what the work depends on, by its name for people


@dataclass(frozen=True)
class _State:
    """What a numbered folder says: the facts of the work, and where its entries are."""

    number: int
    facts: dict[str, str]
    entries: dict[str, dict[str, str]] = field(default_factory=dict)  # folder, digest

    @property
    def folders(self) -> set[str]:
        """The names of the folders that it needs."""
        return {_name(self.number)} | {each["folder"] for each in self.entries.values()}


class Checkpoint:
    """The entries of a checkpoint, by name; made by `open_checkpoint`.

    Attributes
    ----------
    path : Path
        Its folder.
    """

    def __init__(self, path: Path, state: _State, before: _State | None) -> None:
        self.path = path
        self._state = state
        self._before = before
        self._is_warned = False

    def seeds_or(self, drawn: list[int]) -> list[int]:
        """Return the seeds that the work began with; new ones in a new checkpoint."""
        known = json.loads(self._state.facts.get(_SEEDS, "[]"))
        # of other work there may be another number: it is refused when it begins
        return [int(seed) for seed in known] if len(known) == len(drawn) else drawn

    def begin(self, facts: Facts, seeds: Sequence[int]) -> None:
        """Note what the work depends on; raise if it is not as it was.

        Parameters
        ----------
        facts : dict of str to str
            What it depends on, by its name for people.
        seeds : sequence of int
            Its seeds. If they are drawn anew each time, pass those of `seeds_or`.

        Raises
        ------
        CheckpointError
            If facts differ from those of the checkpoint; names them.
        OSError
            If a new checkpoint cannot be written.
        """
        facts, before = {**facts, _SEEDS: json.dumps([*seeds])}, self._state.facts
        if before != facts and not self._holds_work():
            self._write({}, facts, drop=self._state.entries)
            return
        differing = [n for n in {**before, **facts} if before.get(n) != facts.get(n)]
        if "class" in differing:  # then all others are
            differing = ["class"]
        self._refuse(
            _differ(name, before.get(name), facts.get(name))
            for name in differing
            if _part_of(name) not in differing
        )

    def check_same(self, name: str, fact: str) -> None:
        """Keep a fact that is found later; raise a CheckpointError if it differs."""
        entry = _FACT + name.replace(" ", "-")
        if entry not in self:
            self.put({entry: fact})
        elif self.get(entry) != fact:
            self._refuse([f"{name} is not the same"])

    def place(self, name: str) -> Path:
        """Return a place for a part of the work that keeps itself."""
        return self.path / _PARTS / name

    def _holds_work(self) -> bool:
        """Tell whether there is more than facts."""
        is_kept = any(not name.startswith(_FACT) for name in self._state.entries)
        parts = (self.path / _PARTS).rglob("*")
        return is_kept or any(place.is_file() for place in parts)

    def _refuse(self, differences: Iterable[str]) -> None:
        """Raise if there are differences."""
        if named := "; ".join(differences):
            raise CheckpointError(
                Message(
                    "The checkpoint {!r} is of another fit: {}. Make the same call "
                    "again to go on, or {}.",
                    *(str(self.path), named, _BEGIN_ANEW),
                )
            )

    def __contains__(self, name: str) -> bool:
        return name in self._state.entries

    def get(self, name: str) -> Plain:
        """Return an entry; a KeyError says that there is none.

        Raises
        ------
        CheckpointError
            If it is damaged.
        """
        folder = self.path / self._state.entries[name]["folder"]
        try:
            return read_plain(folder / f"{name}{_SUFFIX}")
        except (OSError, ValueError) as error:
            raise _damaged(self.path, error) from error

    def put(self, entries: Mapping[str, Plain], drop: Collection[str] = ()) -> None:
        """Keep entries durably, in the place of others.

        The work goes on where this fails, such as on a full disk: then the state
        before is the one that is kept.

        Warns
        -----
        UserWarning
            If they cannot be written; once.
        """
        try:
            self._write(entries, self._state.facts, drop)
        except OSError as error:
            self.warn_once(error)

    def warn_once(self, error: OSError) -> None:
        """Warn that the checkpoint cannot be written to, the first time."""
        if not self._is_warned:
            self._is_warned = True
            warn(
                f"The checkpoint {str(self.path)!r} could not be written ({error}): "
                "the work goes on, and what was kept before stays.",
                UserWarning,
                again=False,
            )

    def _write(
        self, entries: Mapping[str, Plain], facts: Facts, drop: Collection[str] = ()
    ) -> None:
        number = 1 + max(map(_number, _numbered(self.path)), default=0)
        kept = {
            name: entry
            for name, entry in self._state.entries.items()
            if name not in drop
        }
        with durable_folder(self.path / _name(number), _KIND, overwrite=False) as new:
            for name, value in entries.items():
                file = new / f"{name}{_SUFFIX}"
                write_plain(file, value)
                kept[name] = {"folder": _name(number), "sha256": file_digest(file)}
            state = _State(number, dict(facts), kept)
            _write_document(new / _STATE, {"facts": state.facts, "entries": kept})
        with durable_path(self.path / _POINTER) as pointer:
            _write_document(pointer, {"latest": number})
        self._before, self._state = self._state, state
        self.clear()

    def clear(self) -> None:
        """Delete what neither the latest state needs nor the one before.

        Later folders, which are damaged or were not pointed to, stay until there is a
        later state.
        """
        needed = self._state.folders
        if self._before is not None:
            needed |= self._before.folders
        old = [
            self.path / name
            for name in _numbered(self.path)
            if name not in needed and _number(name) < self._state.number
        ]
        # what a killed write left; the checkpoint has one writer at a time
        left = [*self.path.glob(".state-*"), *self.path.glob(f".{_POINTER}.*")]
        for place in (*old, *left):
            remove = disk.remove_folder if place.is_dir() else disk.remove
            with suppress(OSError):  # then it goes the next time
                remove(place)


_KIND = FolderKind("the state of a checkpoint", _STATE, _FORMAT, frozenset())
_NONE = _State(0, {})


@contextmanager
def open_checkpoint(path: str | os.PathLike[str] | None) -> Iterator[Checkpoint | None]:
    """Open the checkpoint of a folder, which is made, for the block; None of None.

    Of several processes, that of rank 0 has it, and the others have None.

    Raises
    ------
    CheckpointError
        If other work uses the folder, it holds other things, or it is damaged.
    OSError
        If it cannot be made or read.
    """
    if path is None or rank() > 0:
        yield None
        return
    folder = Path(path).expanduser()
    try:
        disk.make_folders(folder)
    except FileExistsError as error:
        raise CheckpointError(
            f"checkpoint must be a folder; {str(folder)!r} is a file."
        ) from error
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(folder / "checkpoint"))
        except TimeoutError as error:
            raise CheckpointError(
                f"The checkpoint {str(folder)!r} is in use by another fit. Each fit "
                "needs a folder of its own."
            ) from error
        opened = Checkpoint(folder, *_read_states(folder))
        opened.clear()
        yield opened


def is_checkpoint(path: Path) -> bool:
    """Tell whether a folder holds a checkpoint from which work can go on."""
    try:
        return int(_read_document(path / _POINTER)["latest"]) != _NONE.number
    except FileNotFoundError:
        return False
    except _DAMAGE:
        return True  # of which a state may be sound


def delete_checkpoint(path: Path) -> None:
    """Delete the folder of a checkpoint; one half deleted is none."""
    if path.is_dir():
        with durable_path(path / _POINTER) as pointer:
            _write_document(pointer, {"latest": _NONE.number})
        disk.remove_folder(path)


def _name(number: int) -> str:
    return f"state-{number:06}"


def _number(name: str) -> int:
    return int(name.removeprefix("state-"))


def _numbered(folder: Path) -> list[str]:
    """Return the names of the numbered folders, the latest first."""
    names = [each.name for each in folder.iterdir() if _FOLDER.fullmatch(each.name)]
    return sorted(names, key=_number, reverse=True)


def _read_states(folder: Path) -> tuple[_State, _State | None]:
    """Return the latest sound state and the one before; of a new folder, an empty one.

    A folder above the number of the pointer was not yet pointed to.
    """
    numbers, reasons = _pointed_to(folder)
    if not numbers and not reasons:
        return _NONE, None
    for i, name in enumerate(numbers):
        try:
            state = _read_state(folder / name)
            _check_entries(folder, state)
        except _DAMAGE as error:
            reasons.append(f"{name}: {error}")
            continue
        if reasons:
            warn(
                f"The checkpoint {str(folder)!r} is damaged ({'; '.join(reasons)}): "
                f"the work goes on from {name}.",
                UserWarning,
            )
        return state, _read_before(folder, numbers[i + 1 :])
    raise _damaged(folder, "; ".join(reasons))


def _damaged(folder: Path, reason: object) -> CheckpointError:
    message = "The checkpoint {!r} is damaged ({}): {}."
    return CheckpointError(Message(message, str(folder), reason, _BEGIN_ANEW))


def _pointed_to(folder: Path) -> tuple[list[str], list[str]]:
    """Return the folders up to the latest state, and what is damaged; none if new."""
    numbers = _numbered(folder)
    try:
        latest = int(_read_document(folder / _POINTER)["latest"])
    except FileNotFoundError:
        if set(numbers) <= {_name(1)}:  # new, or killed as it began
            _check_own(folder, numbers)
            return [], []
        return numbers, [f"{_POINTER} is missing"]
    except _DAMAGE as error:
        return numbers, [f"{_POINTER}: {error}"]
    if latest == _NONE.number:  # it was being deleted
        disk.remove_folder(folder / _PARTS)
        return [], []
    numbers = [name for name in numbers if _number(name) <= latest]
    is_there = _name(latest) in numbers
    return numbers, [] if is_there else [f"{_name(latest)} is missing"]


def _read_before(folder: Path, names: list[str]) -> _State | None:
    """Return the state before the latest one, whose entries are not looked at."""
    for name in names:
        with suppress(*_DAMAGE):
            return _read_state(folder / name)
    return None


def _check_own(folder: Path, numbers: list[str]) -> None:
    """Raise if a folder without a pointer holds more than a killed beginning."""
    own = {_PARTS, *numbers, *(each.name for each in folder.glob(".checkpoint*"))}
    own |= {each.name for each in folder.glob(".state-*")}
    strange = sorted({each.name for each in folder.iterdir()} - own)
    if strange:
        raise CheckpointError(
            f"checkpoint must be a folder of its own; {str(folder)!r} holds other "
            f"things ({strange[0]!r})."
        )


def _read_state(folder: Path) -> _State:
    document = _read_document(folder / _STATE)
    facts, entries = document["facts"], document["entries"]
    for name, entry in entries.items():
        if not (_ENTRY.fullmatch(name) and _FOLDER.fullmatch(entry["folder"])):
            raise ValueError(f"it names {name!r}, which is no entry")
    return _State(_number(folder.name), facts, entries)


def _check_entries(folder: Path, state: _State) -> None:
    """Raise unless the files of all entries are as they were written."""
    for name, entry in state.entries.items():
        file = folder / entry["folder"] / f"{name}{_SUFFIX}"
        if file_digest(file) != entry["sha256"]:
            raise ValueError(f"the checksum of {name!r} is wrong")


def _write_document(path: Path, content: Mapping[str, Any]) -> None:
    write_document(path, {"format": _FORMAT, "version": _VERSION, **content})


def _read_document(path: Path) -> dict[str, Any]:
    """Return a document, checked."""
    document = read_document(path, largest=_LARGEST)
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"{path.name} is not that of a checkpoint")
    if document.get("version") != _VERSION:
        raise ValueError(
            f"its format is version {document.get('version')}, and this sklearn_scan "
            f"reads version {_VERSION}"
        )
    if not is_sound(document):
        raise ValueError(f"the checksum of {path.name} is wrong")
    return document


def _part_of(name: str) -> str | None:
    """Return the fact that this one is a part of, as "encoder.epochs" of "encoder"."""
    whole, is_part, _ = name.rpartition(".")
    return whole if is_part else None


def _differ(name: str, before: str | None, now: str | None) -> str:
    """Say how a fact differs; long ones, such as digests, are not shown."""
    is_long = max(len(each or "") for each in (before, now)) > _LONGEST_FACT
    if is_long or name == _SEEDS:  # which are drawn from what the user passed
        return f"{name} is not the same"
    return f"{name} was {before}, and is {now}"
