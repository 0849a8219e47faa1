"""The photos that a command is about, and what is known of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from sklearn_scan.datasets import list_images

__all__ = ["FOLDERS", "find_files", "list_photos", "read_truth"]

FOLDERS = "folders"


def list_photos(places: Sequence[str]) -> list[str]:
    """List the photos in folders, and those named themselves; each of them once.

    Raises
    ------
    ValueError
        If a folder holds no image.
    """
    photos: dict[str, None] = {}
    for place in places:
        found = list_images(place) if os.path.isdir(place) else [place]
        photos |= dict.fromkeys(found)
    return list(photos)


def find_files(names: Sequence[str] | None, working_folder: Path) -> list[str]:
    """Return where the photos of a run are, from wherever the command is called.

    Parameters
    ----------
    names : sequence of str
        Their paths as they were given to `fit`.
    working_folder : path
        Where `fit` was called.

    Raises
    ------
    ValueError
        If a model was not fitted on files.
    """
    if names is None:
        raise ValueError("This model was fitted on features, not on photos.")
    return [
        name if os.path.exists(name) else os.path.join(working_folder, name)
        for name in names
    ]


def read_truth(truth: str, photos: Sequence[str]) -> list[str]:
    """Return the true class of each photo.

    Parameters
    ----------
    truth : str
        "folders", where each photo lies in the folder of its class; or a CSV file with
        the columns `path` and `class`.
    photos : sequence of str
        Their paths.

    Raises
    ------
    ValueError
        If the file has no such columns, or not all photos.
    """
    if truth == FOLDERS:
        return [os.path.basename(os.path.dirname(photo)) for photo in photos]
    with open(truth, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    try:
        classes = {row["path"]: row["class"] for row in rows}
    except KeyError as error:
        raise ValueError(f"{truth!r} has no column {error}.") from error
    missing = [photo for photo in photos if photo not in classes]
    if missing:
        raise ValueError(
            f"{truth!r} has no class for {len(missing)} photos, such as "
            f"{missing[0]!r}: paths must be as they are in labels.csv."
        )
    return [classes[photo] for photo in photos]
