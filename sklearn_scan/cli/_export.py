"""`sklearn-scan export`: a folder of photos for each cluster."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from sklearn_scan.cli._console import Console
from sklearn_scan.cli._photos import find_files
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.label_table import read_labels

_UNREADABLE = "unreadable"
_NOTED_AT_ONCE = 500
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


@click.command("export")
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("destination", type=click.Path())
@click.option(
    "--link/--copy",
    "link",
    default=None,
    required=True,
    help="Symbolic links to the photos, which take no space; or copies of them.",
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
def command(run: str, destination: str, link: bool, overwrite: bool) -> None:
    """Make DESTINATION, with a folder of photos for each cluster of a RUN.

    It goes by the run's labels.csv. The photos themselves stay where they are.
    """
    folder = RunFolder(run).open()
    rows = read_labels(folder.path / "labels.csv")
    files = find_files([row["path"] for row in rows], folder.working_folder)
    groups = [row["name"] or _UNREADABLE for row in rows]
    target = RunFolder(destination)
    target.prepare([], overwrite=overwrite)
    target.clear()
    with Console() as console:
        n_missing = _export(target, files, groups, link=link)
        target.finish()
        console.say(
            f"{len(files) - n_missing:,} photos in {len(set(groups))} folders: "
            f"{destination}"
        )
        if n_missing:
            raise FileNotFoundError(
                f"{n_missing} photos are no longer where they were, such as "
                f"{next(file for file in files if not os.path.exists(file))!r}."
            )


def _export(
    target: RunFolder, files: Sequence[str], groups: Sequence[str], *, link: bool
) -> int:
    """Place the photos; return how many are not there any more."""
    made: list[str] = []
    n_missing = 0
    taken: set[str] = set()
    try:
        for file, group in zip(files, groups, strict=True):
            if not os.path.exists(file):
                n_missing += 1
                continue
            name = _free_name(f"{_folder_name(group)}/{Path(file).name}", taken)
            place = target.path / name
            if place.exists() or place.is_symlink():
                raise ValueError(
                    f"{str(place)!r} was not made by sklearn-scan: choose another "
                    "folder."
                )
            place.parent.mkdir(exist_ok=True)
            _put(file, place, link=link)
            made.append(name)
            if len(made) == _NOTED_AT_ONCE:
                target.note(made)
                made = []
    finally:
        target.note(made)
    return n_missing


def _put(file: str, place: Path, *, link: bool) -> None:
    if not link:
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


def _folder_name(group: str) -> str:
    """Return the name of a cluster as a folder may have it, on any system."""
    safe = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", group).strip(". ")
    return safe[:100] or "_"


def _free_name(name: str, taken: set[str]) -> str:
    """Return the name, with a number where another photo has it already."""
    for candidate in _numbered(Path(name)):
        if candidate.lower() not in taken:  # some systems do not tell cases apart
            taken.add(candidate.lower())
            return candidate
    raise AssertionError("there is always another number")


def _numbered(path: Path) -> Iterator[str]:
    yield str(path)
    number = 2
    while True:
        yield str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        number += 1
