"""The photos of a command, and their known classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from sklearn_scan.datasets import list_images
from sklearn_scan.results.label_table import read_table

FOLDERS = "folders"

truth_option = click.option(
    "--truth",
    metavar=f"{FOLDERS}|FILE",
    help="True classes to compare with, never trained on: 'folders', if each photo is "
    "in the folder of its class, or a CSV file of path and class.",
)


def list_photos(places: Sequence[str]) -> list[str]:
    """Return the photos in folders, and those named one by one, each of them once."""
    photos: dict[str, str] = {}
    for place in places:
        for photo in list_images(place) if os.path.isdir(place) else [place]:
            photos.setdefault(os.path.abspath(photo), photo)
    return list(photos.values())


def find_files(names: Sequence[str] | None, working_folder: Path) -> list[str]:
    """Return the paths of a run's photos, from the present working folder."""
    if names is None:
        raise ValueError("This model was fitted on features, not on photos.")
    # first from the run's working folder: in others, other photos may have these names
    for folder in (working_folder, Path()):
        files = [os.fspath(folder / name) for name in names]
        if any(map(os.path.exists, files)):
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
