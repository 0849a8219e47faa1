"""JSON documents of our folders: bounded when read, with a checksum of themselves."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from typing import Any

from sklearn_scan.core import disk
from sklearn_scan.core.disk import AnyPath

_CHECKSUM = "checksum"


def read_document(path: AnyPath, *, largest: int) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is no ordinary file, larger than `largest` bytes, or no sound JSON.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):  # reading a pipe would wait for ever
        raise ValueError("it is no file")
    if found.st_size > largest:  # known before memory is taken
        raise ValueError(f"it has {found.st_size:,} bytes, more than {largest:,}")
    with open(path, "rb") as file:
        content = file.read(found.st_size)
    try:
        return json.loads(content.decode(), parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def write_document(path: AnyPath, document: Mapping[str, Any]) -> None:
    """Write a JSON object, with a checksum of it as its last entry."""
    rest = _without_checksum(document)
    marked = {**rest, _CHECKSUM: _checksum(rest)}
    with disk.open_file(path) as file:
        file.write(f"{json.dumps(marked, indent=1)}\n".encode())


def is_sound(document: Mapping[str, Any]) -> bool:
    """Tell whether an object is as `write_document` wrote it."""
    rest = _without_checksum(document)
    return bool(document.get(_CHECKSUM) == _checksum(rest))


def _without_checksum(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != _CHECKSUM}


def _checksum(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: AnyPath) -> str:
    """Return the digest of a file's content, by which a document names it."""
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
