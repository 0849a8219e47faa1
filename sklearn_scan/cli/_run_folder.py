"""The folder that a command fills: what it made is noted, and nothing else touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePath

from sklearn_scan.core import disk
from sklearn_scan.core.asides import clear_remains
from sklearn_scan.core.checkpoint import is_checkpoint
from sklearn_scan.core.documents import read_document
from sklearn_scan.core.files import durable_file, find_folder
from sklearn_scan.core.locks import lock

FIT, EXPORT = "fit", "export"  # the commands that fill folders

_MANIFEST = ".sklearn-scan.json"
_FORMAT, _VERSION = "sklearn-scan-run", 1
_LARGEST = 2**32  # bytes: the names of some ten million photos


@dataclass(kw_only=True)
class _Note:
    """What a run folder says of itself, as its JSON has it."""

    format: str = _FORMAT
    version: int = _VERSION
    kind: str
    made: list[str] = field(default_factory=list)
    finished: bool = False
    working_folder: str = field(default_factory=os.getcwd)
    truth: str | None = None


_KINDS = {
    "version": int,
    "kind": str,
    "made": list,
    "finished": bool,
    "working_folder": str,
    "truth": str | None,
}


class RunFolder:
    """A folder of results, with a note of what in it is the command's own."""

    def __init__(self, path: str | os.PathLike[str], kind: str = FIT) -> None:
        if not os.fspath(path):
            raise ValueError("The folder of results has an empty name.")
        self.path = Path(path)
        self._note = _Note(kind=kind)

    @property
    def made(self) -> list[str]:
        """The names, in the folder, of what a command made."""
        return list(self._note.made)

    @property
    def checkpoint(self) -> Path:
        """Where a fit keeps what it has done, until all results are written."""
        return self.path / ".checkpoint"

    @property
    def working_folder(self) -> Path:
        """Where the run was started: what its relative paths are relative to."""
        return Path(self._note.working_folder)

    @property
    def truth(self) -> str | None:
        """What the run was compared with: "folders", a CSV file or nothing."""
        return self._note.truth

    def open(self) -> RunFolder:
        """Read the note of a folder that is there, whose results are complete."""
        if not self._read():
            raise ValueError(
                f"{str(self.path)!r} is not a folder that `sklearn-scan "
                f"{self._note.kind}` made."
            )
        self.check_finished()
        return self

    def check_finished(self) -> None:
        """Raise if there is a run that was stopped before its results were complete."""
        if self._read() and not self._note.finished:
            raise ValueError(
                f"{str(self.path)!r} holds a run that was stopped: give the same "
                f"`sklearn-scan {self._note.kind}` command again, and it goes on."
            )

    def prepare(self, names: Sequence[str], *, overwrite: bool) -> None:
        """Make the folder, or check that files of these names may be written to it."""
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{str(self.path)!r} is a file, not a folder.")
        if self.path.is_dir():
            clear_remains(self.path / _MANIFEST)  # of one killed at its first note
        goes_on = is_checkpoint(self.checkpoint)
        unfinished = self._read() and (
            not self._note.finished or (goes_on and self._lacks(names))
        )
        has_files = self.path.exists() and any(self.path.iterdir())
        if has_files and not (overwrite or unfinished):
            raise ValueError(
                f"{str(self.path)!r} is not empty. Choose another folder, or pass "
                "--overwrite: it replaces what an earlier run made there, and deletes "
                "nothing else."
            )
        for name in names:
            if (self.path / name).exists() and name not in self.made:
                raise ValueError(
                    f"{str(self.path / name)!r} was not made by sklearn-scan: move it "
                    "away, or choose another folder."
                )
        try:
            disk.make_folders(self.path)
        except OSError as error:
            raise OSError(
                f"{str(self.path)!r} cannot be written to: {error.strerror}."
            ) from error
        self._write()

    def _lacks(self, names: Sequence[str]) -> bool:
        """Tell whether a run was stopped before it had made all of its results."""
        return not all((self.path / name).exists() for name in names)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands out of the folder in the block, where the system can."""
        with ExitStack() as stack:
            try:
                stack.enter_context(lock(self.path / "sklearn-scan"))
            except TimeoutError as error:
                raise ValueError(
                    f"Another sklearn-scan is at work in {str(self.path)!r}."
                ) from error
            yield

    def place(self, name: str) -> Path:
        """Return where to make something, and note that it is the run's own."""
        self.note([name])
        return self.path / name

    def note(self, names: Sequence[str]) -> None:
        """Note that things in the folder are the run's own."""
        known = set(self.made)
        self._note.made += [name for name in names if name not in known]
        self._write()

    def clear(self) -> None:
        """Delete the files that were made, and folders that this empties."""
        places = [self.path / name for name in self.made]
        for place in places:
            if not place.parent.is_symlink():  # which leads to what is not ours
                disk.remove(place)
        for folder in {place.parent for place in places} - {self.path}:
            if folder.is_dir() and not any(folder.iterdir()):
                disk.remove_empty_folder(folder)
        self._note.made, self._note.finished = [], False
        self._write()

    def begin_results(self) -> None:
        """Note that results are being replaced, and are not complete."""
        self._note.finished = False
        self._write()

    def finish(self, truth: str | None = None) -> None:
        """Note that the results are complete, and what they were compared with."""
        note = self._note
        note.finished, note.working_folder, note.truth = True, os.getcwd(), truth
        self._write()

    def _read(self) -> bool:
        """Read the note, if it is sound and of this kind; tell whether there is one."""
        try:
            content = read_document(self.path / _MANIFEST, largest=_LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except (OSError, ValueError):
            content = None
        note = _as_note(content)
        if note is None:
            raise ValueError(f"{str(self.path / _MANIFEST)!r} is damaged.")
        if note.version > _VERSION:
            raise ValueError(
                f"{str(self.path)!r} was made by a newer sklearn-scan: upgrade it."
            )
        if note.kind != self._note.kind:
            raise ValueError(
                f"{str(self.path)!r} was made by `sklearn-scan {note.kind}`, and "
                f"is no folder for `sklearn-scan {self._note.kind}`."
            )
        self._note = note
        return True

    def _write(self) -> None:
        with durable_file(self.path / _MANIFEST) as file:
            file.write(json.dumps(asdict(self._note), indent=1).encode())


def _as_note(content: object) -> _Note | None:
    """Return the note; None where it is damaged, or leads elsewhere."""
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return None
    values = {name: content[name] for name in _KINDS if name in content}
    if len(values) < len(_KINDS):
        return None
    if not all(isinstance(values[name], kind) for name, kind in _KINDS.items()):
        return None
    if not all(isinstance(name, str) and _is_inside(name) for name in values["made"]):
        return None
    return _Note(**values)


def _is_inside(name: str) -> bool:
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def find_model(path: str | os.PathLike[str]) -> Path:
    """Return the model's folder: that of a run, or the folder itself."""
    inside = find_folder(Path(path, "model"))
    return inside if inside.is_dir() else Path(path)
