"""The disk after a loss of power, at any moment of writing: old or new, never between.

Run as a script, it goes through all states and prints how many are right:
``python tests/faults/torn_states.py [CASE ...]``.

The operations of a write are recorded. After each of them the power may go. Then a file
whose content was not synced is empty, cut in half or whole; and of the changes of
folders that were not synced, the first few have happened, in their order, as journals
of file systems keep it. In each such state the old or the new is read, and what the
next write leaves is its own result and nothing else, but for the user's own files.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from disk_cases import CASES, Case
from disk_faults import around_operations

LOSSES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "whole": lambda content: content,
}


@dataclass
class Operation:
    """An operation as it was recorded, with paths within the folder."""

    name: str
    paths: list[Path]
    content: bytes | None = None  # of the file, after it was written to

    @property
    def folders(self) -> set[Path]:
        """The folders whose entries it changes."""
        return {path.parent for path in self.paths}

    def changes_folders(self) -> bool:
        """Tell whether it adds, renames or removes something."""
        return self.name not in ("sync", "sync_all", "write", "set_mode")


def record(folder: Path, action) -> list[Operation]:
    """Do an action in a folder, and return its operations."""
    done = []

    def note(name, arguments, do):
        first = arguments[0]
        paths = [Path(first.name if name == "write" else first)]
        if name == "replace":
            paths.append(Path(arguments[1]))
        result = do()
        content = None
        if name in ("sync", "write", "write_by_name") and paths[0].is_file():
            content = paths[0].read_bytes()
        within = [Path(os.path.abspath(path)).relative_to(folder) for path in paths]
        done.append(Operation(name, within, content))
        return result

    with around_operations(note):
        action()
    return done


def torn_states(operations: list[Operation]) -> Iterator[tuple[str, list[Operation]]]:
    """Yield what has reached the disk, in words and as operations."""
    for n_done in range(len(operations) + 1):
        done = operations[:n_done]
        unsynced = [
            i
            for i, operation in enumerate(done)
            if operation.changes_folders() and not _is_synced(operation, done[i + 1 :])
        ]
        for n_happened, loss in itertools.product(range(len(unsynced) + 1), LOSSES):
            lost = set(unsynced[n_happened:])
            left = [
                _tear(operation, done[i + 1 :], loss)
                for i, operation in enumerate(done)
                if i not in lost
            ]
            words = f"{n_done} operations, {len(lost)} changes lost, contents {loss}"
            yield words, left


def _is_synced(operation: Operation, later: list[Operation]) -> bool:
    synced = {each.paths[0] for each in later if each.name == "sync"}
    return operation.folders <= synced


def _tear(operation: Operation, later: list[Operation], loss: str) -> Operation:
    """Return an operation whose content, if it was not synced, is lost in part."""
    if operation.content is None or operation.name == "sync":
        return operation
    path = operation.paths[0]
    if any(each.name == "sync" and each.paths[0] == path for each in later):
        return operation
    return Operation(operation.name, operation.paths, LOSSES[loss](operation.content))


def replay(operations: list[Operation], folder: Path) -> None:
    """Bring operations to a folder; those whose files are not there are left out."""
    for operation in operations:
        places = [folder / path for path in operation.paths]
        if all(place.parent.is_dir() for place in places):
            if operation.content is not None:
                _put(operation, places[0])
            elif operation.name in _AGAIN:
                with suppress(FileNotFoundError):
                    _AGAIN[operation.name](*places)


def _put(operation: Operation, place: Path) -> None:
    # "write" and "sync" are of a file that is there already
    if operation.name == "write_by_name" or place.exists():
        place.write_bytes(operation.content)


_AGAIN = {
    "begin": lambda place: place.write_bytes(b""),
    "create": lambda place: place.write_bytes(b""),
    "make_folder": Path.mkdir,
    "replace": os.replace,
    "remove": Path.unlink,
    "remove_folder": shutil.rmtree,
    "remove_empty_folder": Path.rmdir,
}


def check_state(case: Case, folder: Path, *, there: bool, kept: list[Path]) -> None:
    """Raise an AssertionError unless a state is right, and is so after a write."""
    found = case.read(folder)
    assert found in ({0, 1} if there else {None, 1}), f"read {found}"
    case.write(folder, 2)
    assert case.read(folder) == 2
    names = sorted(path.name for path in folder.iterdir())
    clean = Path(tempfile.mkdtemp(dir=folder.parent))
    case.write(clean, 2)
    assert names == sorted(path.name for path in clean.iterdir()), names
    for path in kept:
        assert (folder / path).read_text() == "mine"


def run_case(case: Case, workplace: Path, *, there: bool, every: int = 1) -> list[str]:
    """Go through each state, or every so many-th; return what is wrong, or ""."""
    start = workplace / "start"
    start.mkdir()
    kept = []
    if there:
        case.write(start, 0)
        kept = [path.relative_to(start) / "diary.txt" for path in start.glob("[!.]*/")]
        kept = [path for path in kept if (start / path.parent).is_dir()]
        for path in kept:
            (start / path).write_text("mine")
    recorded = Path(shutil.copytree(start, workplace / "recorded"))
    operations = record(recorded, lambda: case.write(recorded, 1))
    results = []
    for words, left in itertools.islice(torn_states(operations), 0, None, every):
        state = Path(tempfile.mkdtemp(dir=workplace), "state")
        shutil.copytree(start, state)
        replay(left, state)
        try:
            check_state(case, state, there=there, kept=kept)
            results.append("")
        except Exception:
            results.append(f"{words}: {traceback.format_exc()}")
        shutil.rmtree(state.parent)
    return results


def main(names: list[str]) -> int:
    """Run the cases; print the counts and what is wrong."""
    all_results = []
    for name, there in itertools.product(names or CASES, (False, True)):
        with tempfile.TemporaryDirectory() as workplace:
            results = run_case(CASES[name], Path(workplace).resolve(), there=there)
        n_right = results.count("")
        print(f"{name}, {'over an old one' if there else 'new'}: ", end="")
        print(f"{n_right} of {len(results)} states are right")
        all_results += results
    wrong = [result for result in all_results if result]
    print(*wrong[:10], sep="\n")
    print(f"{len(all_results) - len(wrong)} of {len(all_results)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
