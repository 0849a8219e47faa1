"""The files that the images of a report were read from, as addresses to open."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote


class ImageFiles(TypedDict):
    """Where the files are: the page joins the address of a folder and a name in it."""

    folder: str  # the address of the folder that all names of images begin with
    separator: str  # of folders within the names
    missing: list[int]  # images without a file


def common_folder(paths: Sequence[str]) -> str:
    """Return the folder that all paths begin with, with its last separator."""
    # by characters, whatever the system: joined again, a path is as it was given
    start = os.path.commonprefix(list(paths))  # noqa: RUF071
    return start[: max(start.rfind("/"), start.rfind("\\")) + 1]


def find_files(names: Sequence[str], page: str | os.PathLike[str]) -> ImageFiles | None:
    """Return where the files of images are, as seen from a page; None without files.

    Names that are no files are those of images in memory, or within an archive.
    """
    folder = common_folder(names)
    missing = [
        row
        for row, name in enumerate(names)
        # without a common folder, absolute paths are not in the working folder
        if not os.path.isfile(name) or os.path.isabs(name[len(folder) :])
    ]
    if len(missing) == len(names):
        return None
    start = os.path.dirname(os.path.abspath(page))
    return {
        "folder": _address(folder, start),
        "separator": os.sep,
        "missing": missing,
    }


def _address(folder: str, start: str) -> str:
    """Return the address of a folder: relative to another one, if they have a path."""
    folder = os.path.abspath(folder)  # "" is the working folder
    try:
        relative = os.path.relpath(folder, start)
    except ValueError:  # on another drive
        return Path(folder).as_uri().rstrip("/") + "/"
    # ":" is escaped: at the beginning it would end the name of a protocol
    return quote(os.fsencode(relative.replace(os.sep, "/"))) + "/"
