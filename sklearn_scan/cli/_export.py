"""`sklearn-scan export`: a folder of photos for each cluster."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from sklearn_scan.cli._console import Console, count, on_ctrl_c
from sklearn_scan.cli._photos import find_files
from sklearn_scan.cli._results import LABELS
from sklearn_scan.cli._run_folder import EXPORT, RunFolder
from sklearn_scan.results.label_table import read_table

# Names that Windows keeps for devices.
_RESERVED = {"CON", "PRN", "AUX", "NUL"} | {
    f"{device}{i}" for device in ("COM", "LPT") for i in range(1, 10)
}
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@click.command("export")
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("destination", type=click.Path())
@click.option(
    "--link",
    "way",
    flag_value="link",
    help="Symbolic links to the photos, which take no space.",
)
@click.option("--copy", "way", flag_value="copy", help="Copies of the photos.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    run: str, destination: str, way: str | None, overwrite: bool, as_json: bool
) -> None:
    """Make DESTINATION, with a folder of photos for each cluster of a RUN.

    It goes by the run's labels.csv. The photos themselves stay where they are.
    """
    if way is None:
        raise click.UsageError("Say --link or --copy.")
    folder = RunFolder(run).open()
    rows = read_table(folder.path / LABELS)
    files = find_files([row["path"] for row in rows], folder.working_folder)
    target = RunFolder(destination, EXPORT)
    missing = [
        row["path"]
        for row, file in zip(rows, files, strict=True)
        if not os.path.exists(file)
    ]
    _keep_copies([file for file in files if _is_within(file, target.path)], target)
    target.prepare([], overwrite=overwrite)
    _keep_copies(missing if target.made else [], target)
    names = _name_folders(rows)
    folders = [names[row["label"]] for row in rows]
    with target.alone(), Console(as_json=as_json) as console:
        with on_ctrl_c("The same command makes the rest."):
            target.clear()
            _export(target, files, folders, link=way == "link")
        target.finish()
        counts = Counter(folders)
        exported = count(len(files) - len(missing), "photo")
        text = f"{exported} in {count(len(counts), 'folder')}: {destination}"
        console.say({"folders": counts, "missing": missing}, text)
    if missing:
        raise FileNotFoundError(
            f"No longer where it was: {count(len(missing), 'photo')}, such as "
            f"{missing[0]!r}. All others are exported."
        )


def _keep_copies(photos: Sequence[str], target: RunFolder) -> None:
    """Raise if an export, to be replaced, may hold the only copies of photos."""
    if photos:
        raise ValueError(
            f"{str(target.path)!r} may hold the only copies of photos that are gone or "
            f"never were elsewhere, such as {photos[0]!r}: choose another folder."
        )


def _is_within(file: str, folder: Path) -> bool:
    return Path(os.path.abspath(file)).is_relative_to(os.path.abspath(folder))


def _export(
    target: RunFolder, files: Sequence[str], folders: Sequence[str], *, link: bool
) -> None:
    """Place the photos that are there."""
    taken: set[str] = set()
    names = [
        _free_name(f"{folder}/{Path(file).name}", taken)
        for file, folder in zip(files, folders, strict=True)
    ]
    for name in names:
        place = target.path / name
        if place.exists() or place.is_symlink():
            raise ValueError(
                f"{str(place)!r} was not made by sklearn-scan: choose another folder."
            )
    target.note(names)  # beforehand: what is made by half is ours too
    for file, name in zip(files, names, strict=True):
        if os.path.exists(file):
            place = target.path / name
            place.parent.mkdir(exist_ok=True)
            _put(file, place, link=link)


def _put(file: str, place: Path, *, link: bool) -> None:
    if not link:
        # not durable, which takes 9 times as long: an export that stops is begun anew
        shutil.copy2(file, place)
        return
    try:
        place.symlink_to(os.path.abspath(file))
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LINKS:
            raise
        raise OSError(
            f"{str(place.parent)!r} is on a file system without links: pass --copy."
        ) from error


def _name_folders(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the folder of each label: its name, as any system may have it."""
    names = {row["label"]: row["name"] or "unreadable" for row in rows}
    taken: set[str] = set()
    return {label: _free_name(_safe_name(name), taken) for label, name in names.items()}


def _safe_name(name: str) -> str:
    safe = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", name)[:100].strip(". ")
    return f"_{safe}" if not safe or safe.upper() in _RESERVED else safe


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name, with a number where another photo has it already."""
    path, free, number = Path(name), name, 1
    while free.lower() in taken:  # some systems do not tell cases apart
        number += 1
        free = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
    taken.add(free.lower())
    return free
