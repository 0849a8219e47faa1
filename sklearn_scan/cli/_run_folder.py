"""The folder that a command fills: what it made is noted, and nothing else touched."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["RunFolder", "find_model"]

_MANIFEST = ".sklearn-scan.json"
_FORMAT, _VERSION = "sklearn-scan-run", 1


class RunFolder:
    """A folder of results, with a note of what in it is the command's own.

    Parameters
    ----------
    path : path
        Where.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._manifest: dict[str, Any] = {
            "format": _FORMAT, "version": _VERSION, "made": [], "finished": False,
        }  # fmt: skip

    @property
    def made(self) -> list[str]:
        """The names, in the folder, of what a command made."""
        return list(self._manifest["made"])

    @property
    def working_folder(self) -> Path:
        """Where the run was started: what its relative paths are relative to."""
        return Path(self._manifest.get("working_folder", "."))

    @property
    def truth(self) -> str | None:
        """What the run was compared with: "folders", a CSV file or nothing."""
        return self._manifest.get("truth")

    def open(self) -> RunFolder:
        """Read the note of a folder that is there.

        Raises
        ------
        ValueError
            If it is not one of a run.
        """
        if not self._read():
            raise ValueError(
                f"{str(self.path)!r} is not a folder that `sklearn-scan fit` made."
            )
        return self

    def prepare(
        self, names: Sequence[str], *, overwrite: bool, truth: str | None = None
    ) -> None:
        """Make the folder, or make sure that it may be written to.

        Parameters
        ----------
        names : sequence of str
            What will be made in it.
        overwrite : bool
            Whether an earlier run's results may be replaced.
        truth : str, optional
            What the run is compared with, to be known to commands that come after it.

        Raises
        ------
        ValueError
            If the folder is not empty, and not of a run that was stopped; or if it
            holds files of these names that no run made.
        OSError
            If it cannot be written to.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{str(self.path)!r} is a file, not a folder.")
        is_own = self._read()
        unfinished = is_own and not self._manifest["finished"]
        if not (overwrite or unfinished or self._is_empty()):
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
        self._manifest |= {
            "finished": False, "working_folder": os.getcwd(), "truth": truth,
        }  # fmt: skip
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._write()
        except OSError as error:
            raise OSError(
                f"{str(self.path)!r} cannot be written to: {error.strerror}."
            ) from error

    def place(self, name: str) -> Path:
        """Return where to make something, and note that it is the run's own."""
        self.note([name])
        return self.path / name

    def note(self, names: Sequence[str]) -> None:
        """Note that things in the folder are the run's own."""
        known = set(self.made)
        self._manifest["made"] += [name for name in names if name not in known]
        self._write()

    def clear(self) -> None:
        """Delete the files that were made, and folders that this empties."""
        for name in self.made:
            (self.path / name).unlink(missing_ok=True)
        for folder in {(self.path / name).parent for name in self.made} - {self.path}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        self._manifest["made"] = []
        self._write()

    def finish(self) -> None:
        """Note that the run is complete."""
        self._manifest["finished"] = True
        self._write()

    def _is_empty(self) -> bool:
        return not self.path.exists() or not any(self.path.iterdir())

    def _read(self) -> bool:
        """Read the note; return whether there is one."""
        try:
            content = json.loads((self.path / _MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            return False
        if content["version"] > _VERSION:
            raise ValueError(
                f"{str(self.path)!r} was made by a newer sklearn-scan: upgrade it."
            )
        for name in content["made"]:
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(f"{str(self.path / _MANIFEST)!r} is damaged.")
        self._manifest = content
        return True

    def _write(self) -> None:
        aside = self.path / f"{_MANIFEST}.part"
        aside.write_text(json.dumps(self._manifest, indent=1), encoding="utf-8")
        aside.replace(self.path / _MANIFEST)


def find_model(path: str | os.PathLike[str]) -> Path:
    """Return the model's folder: that of a run, or the folder itself."""
    inside = Path(path, "model")
    return inside if inside.is_dir() else Path(path)
