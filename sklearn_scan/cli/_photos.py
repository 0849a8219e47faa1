"""The photos of a command, and their known classes."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from sklearn_scan.cli._parameters import list_words
from sklearn_scan.core.archives import (
    has_member,
    is_archive,
    is_compressed_tar,
    split_member,
)
from sklearn_scan.core.file_kinds import is_image_name
from sklearn_scan.core.urls import is_url
from sklearn_scan.datasets import Listing, list_with_skipped
from sklearn_scan.results.label_table import read_table

FOLDERS = "folders"
_NEARLY_ALL = 0.9  # of the photos, in one folder: these are not their classes

truth_option = click.option(
    "--truth",
    metavar=f"{FOLDERS}|FILE",
    help="True classes to compare with, never trained on: 'folders', if each photo is "
    "in the folder of its class, or a CSV file of path and class.",
)


def check_photos(place: str) -> str:
    """Return an argument, if photos may be there: a place, a pattern or an address.

    A shell expands patterns, unless they are quoted. An address is looked at later.
    """
    is_pattern = glob.has_magic(place)
    if _is_place(place) or (is_pattern and _match(place)):
        return place
    raise click.BadParameter(
        f"no file fits {place!r}." if is_pattern else f"there is no {place!r}."
    )


def check_photo(photo: str) -> str:
    """Return an argument, if there is a photo, or may be at an address."""
    if not _is_place(photo):
        raise click.BadParameter(f"there is no {photo!r}.")
    if _holds_photos(photo):
        raise click.BadParameter(f"{photo!r} is not one photo: pass a file.")
    return photo


def _is_place(name: str) -> bool:
    return is_there(name) or (not is_image_name(name) and _is_in_archive(name))


def is_there(file: str) -> bool:
    """Tell whether a file is on the disk or in an archive, or has an address."""
    return os.path.exists(file) or is_url(file) or has_member(file)


def _is_in_archive(name: str) -> bool:
    return split_member(name) is not None


def is_on_disk(file: str) -> bool:
    """Tell whether a path leads to a file of its own: in no archive, at no address."""
    return not is_url(file) and not _is_in_archive(file)


def _holds_photos(place: str) -> bool:
    """Return whether a place is a folder or an archive, and not a photo."""
    if not is_on_disk(place):
        return not is_image_name(place)
    return os.path.isdir(place) or is_archive(place) or is_compressed_tar(place)


def _match(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern, recursive=True))


def list_photos(places: Sequence[str]) -> Listing:
    """Return the photos in folders and archives, and those named, each of them once."""
    photos: dict[str, str] = {}
    skipped: Counter[str] = Counter()
    matched = [[p] if _is_place(p) else _match(p) for p in places]
    for place in dict.fromkeys(each for some in matched for each in some):
        is_folder = _holds_photos(place)
        found = list_with_skipped(place) if is_folder else Listing([place], {})
        for photo in found.images:
            photos.setdefault(photo if is_url(photo) else os.path.abspath(photo), photo)
        skipped.update(found.skipped)
    return Listing(list(photos.values()), dict(skipped))


def describe_skipped(skipped: Mapping[str, int]) -> list[str]:
    """Return a line on the files that may be photos, and are not read."""
    kinds = [
        f"{number:,} {kind.removeprefix('.').upper()}"
        for kind, number in skipped.items()
        if kind.startswith(".")
    ]
    if not kinds:
        return []
    is_one = sum(skipped[kind] for kind in skipped if kind.startswith(".")) == 1
    were = "file was left out: it is" if is_one else "files were left out: they are"
    return [f"{list_words(kinds)} {were} not read."]


def describe_truth(truth: str | None, classes: Sequence[str] | None) -> list[str]:
    """Return a line on photos that are not in the folders of their classes."""
    if truth != FOLDERS or classes is None:
        return []
    (folder, most), *_ = Counter(classes).most_common(1)
    if most < _NEARLY_ALL * len(classes):
        return []
    return [
        f"{most / len(classes):.0%} of the photos are in one folder, {folder!r}: the "
        "scores against true classes mean little. --truth folders is for photos in "
        "the folders of their classes."
    ]


def find_files(names: Sequence[str] | None, working_folder: Path) -> list[str]:
    """Return the paths of a run's photos, from the present working folder."""
    if names is None:
        raise ValueError("This model was fitted on features, not on photos.")
    # first from the run's working folder: in others, other photos may have these names
    for folder in (working_folder, Path()):
        files = [n if is_url(n) else os.fspath(folder / n) for n in names]
        if any(map(is_there, files)):
            return files
    raise ValueError(
        f"The photos are no longer where they were, such as {names[0]!r}. Put them "
        "back, or fit again: what is embedded is kept by content, and takes no time."
    )


def resolve_truth(truth: str | None) -> str | None:
    """Return the option --truth, with an absolute path."""
    return truth if truth in (None, FOLDERS) else os.path.abspath(truth)


def read_truth(truth: str | None, photos: Sequence[str]) -> list[str] | None:
    """Return the true class of each photo, by the option --truth."""
    if truth is None:
        return None
    if truth == FOLDERS:
        return [os.path.basename(os.path.dirname(photo)) for photo in photos]
    if not os.path.isfile(truth):
        raise ValueError(f"--truth is 'folders' or a CSV file: there is no {truth!r}.")
    classes = {
        row["path"]: row["class"] for row in read_table(truth, ("path", "class"))
    }
    missing = [photo for photo in photos if photo not in classes]
    if missing:
        raise ValueError(
            f"{truth!r} has no class for {len(missing)} photos, such as "
            f"{missing[0]!r}: paths must be as they are in labels.csv."
        )
    return [classes[photo] for photo in photos]
