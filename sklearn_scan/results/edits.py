"""The changes of a clustering that people make."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sklearn_scan.core.documents import read_document
from sklearn_scan.results.label_table import LabelTable

FORMAT = "sklearn-scan-edits"
VERSION = 2  # 1 had neither new groups nor images that are left out
_LARGEST = 2**30  # bytes: changes of some ten million images

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Edits:
    """Changes of a clustering, with the numbers of clusters before the changes.

    Parameters
    ----------
    names : mapping of int to str
        The new names of clusters.
    merged : mapping of int to int
        Clusters, and the clusters or new groups that they are merged into.
    moved : mapping of int to int
        Rows of images, and their new clusters or groups.
    groups : mapping of int to str
        New groups and their names. They are numbered on from `n_clusters_`, without
        gaps. A group that gets no image and no cluster is not made.
    left_out : collection of int
        Rows of images that belong to no cluster.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    moved: Mapping[int, int] = field(default_factory=dict)
    groups: Mapping[int, str] = field(default_factory=dict)
    left_out: Collection[int] = ()


def read_json(path: Path, table: LabelTable) -> Edits:
    """Read the edits.json of a report on this table."""
    try:
        content = read_document(path, largest=_LARGEST)
        version = _whole(content["version"])
        if content["format"] != FORMAT or version < 1:
            raise ValueError("it is of another format")
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error
    if version > VERSION:
        raise ValueError(f"{os.fspath(path)!r} is of a newer sklearn_scan: upgrade it.")
    try:
        run, edits = content["run"], _unpack(content, version)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path) from error
    if run != table.run:
        raise of_another_run(path)
    return edits


def _unpack(content: Mapping[str, Any], version: int) -> Edits:
    return Edits(
        names=_numbered(content["names"], _text),
        merged=_numbered(content["merged"], _whole),
        moved=_numbered(content["moved"], _whole),
        groups=_numbered(content["groups"], _text) if version > 1 else {},
        left_out=[_whole(row) for row in content["left_out"]] if version > 1 else (),
    )


def _numbered(
    entries: Mapping[str, Any], read: Callable[[Any], _Value]
) -> dict[int, _Value]:
    """Return a mapping of JSON, whose keys are numbers."""
    numbered = {int(key): read(value) for key, value in entries.items()}
    if list(map(str, numbered)) != list(entries):
        raise ValueError("a key is no number as a report writes it")
    return numbered


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _damaged(path: Path) -> ValueError:
    return ValueError(
        f"{os.fspath(path)!r} is not the edits.json of a report, or is damaged."
    )


def of_another_run(path: str | os.PathLike[str]) -> ValueError:
    """Return the error for a file of edits that does not fit the clustering."""
    return ValueError(
        f"{os.fspath(path)!r} is of another run, or was applied already. Open the "
        "report as it is now for further corrections, and download them from there."
    )
