"""`sklearn-scan export`: a folder of photos for each cluster."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import click

from sklearn_scan.cli._console import Console, count, on_ctrl_c
from sklearn_scan.cli._photos import find_files, is_on_disk, is_there
from sklearn_scan.cli._results import LABELS
from sklearn_scan.cli._run_folder import EXPORT, RunFolder
from sklearn_scan.core import disk
from sklearn_scan.core.urls import is_url
from sklearn_scan.images import open_path
from sklearn_scan.results.label_table import is_left_out, read_table

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

    It goes by the run's labels.csv. The photos themselves stay where they are. Photos
    that were left out on the report page are not exported.
    """
    if way is None:
        raise click.UsageError("Say --link or --copy.")
    folder = RunFolder(run).open()
    table = read_table(folder.path / LABELS)
    rows = [row for row in table if not is_left_out(row)]
    n_left_out = len(table) - len(rows)
    files = find_files([row["path"] for row in rows], folder.working_folder)
    if way == "link" and not all(map(is_on_disk, files)):
        raise ValueError(
            "Photos in an archive or at an address cannot be linked to: pass --copy."
        )
    target = RunFolder(destination, EXPORT)
    _keep_copies([file for file in files if _is_within(file, target.path)], target)
    target.prepare([], overwrite=overwrite)
    if target.made:
        _keep_copies([file for file in files if not is_there(file)], target)
    names = _name_folders(rows)
    folders = [names[row["label"]] for row in rows]
    with target.alone(), Console(as_json=as_json) as console:
        with on_ctrl_c("The same command makes the rest."):
            target.clear()
            placed = _export(target, files, folders, link=way == "link")
        disk.sync_all()  # before the note, which says that all is there
        target.finish()
        pairs = zip(rows, placed, strict=True)
        missing = [row["path"] for row, is_placed in pairs if not is_placed]
        counts = Counter(folders)
        exported = count(len(files) - len(missing), "photo")
        left_out = f", {count(n_left_out, 'photo')} left out" if n_left_out else ""
        text = f"{exported} in {count(len(counts), 'folder')}{left_out}: {destination}"
        result = {"folders": counts, "missing": missing, "n_left_out": n_left_out}
        console.say(result, text)
    if missing:
        raise FileNotFoundError(
            f"Not found: {count(len(missing), 'photo')}, such as {missing[0]!r}. All "
            "others are exported."
        )


def _keep_copies(photos: Sequence[str], target: RunFolder) -> None:
    """Raise if an export, to be replaced, may hold the only copies of photos."""
    if photos:
        raise ValueError(
            f"{str(target.path)!r} may hold the only copies of photos that are gone or "
            f"never were elsewhere, such as {photos[0]!r}: choose another folder."
        )


def _is_within(file: str, folder: Path) -> bool:
    if is_url(file):
        return False
    return Path(os.path.abspath(file)).is_relative_to(os.path.abspath(folder))


def _export(
    target: RunFolder, files: Sequence[str], folders: Sequence[str], *, link: bool
) -> list[bool]:
    """Place the photos that are there, and tell which are."""
    taken: set[str] = set()
    names = [
        _free_name(f"{folder}/{_name_copy(file)}", taken)
        for file, folder in zip(files, folders, strict=True)
    ]
    for name in names:
        place = target.path / name
        if place.exists() or place.is_symlink():
            raise ValueError(
                f"{str(place)!r} was not made by sklearn-scan: choose another folder."
            )
    target.note(names)  # beforehand: what is made by half is ours too
    return [
        _put(file, target.path / name, link=link)
        for file, name in zip(files, names, strict=True)
    ]


def _name_copy(file: str) -> str:
    """Return the name of a photo's copy: its own, as any system may have it."""
    if is_on_disk(file):
        return Path(file).name
    address = file.split("::")[0].split("?")[0] if is_url(file) else file
    name = Path(address)
    return f"{_safe_name(name.stem)}{name.suffix}"


def _put(file: str, place: Path, *, link: bool) -> bool:
    """Place a photo, and tell whether it is there."""
    if not is_there(file):
        return False
    disk.make_folders(place.parent)
    if link:
        _link(file, place)
        return True
    try:
        _copy(file, place)
    except FileNotFoundError:  # only now known of an address
        return False
    return True


def _copy(file: str, place: Path) -> None:
    # without a sync of each, which takes 9 times as long: there is one at the end, and
    # an export that stops before is begun anew
    if is_on_disk(file):
        disk.copy(file, place)
        return
    with closing(open_path(file)) as photo, disk.open_file(place) as copy:
        shutil.copyfileobj(photo, copy)


def _link(file: str, place: Path) -> None:
    try:
        disk.link(os.path.abspath(file), place)
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
