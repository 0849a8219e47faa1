"""Parts of a result that workers make: a file of arrays each, in one folder.

A part is in place whole or not at all. It tells what it was made of, by a text that its
maker gives, and has a checksum.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sklearn_scan.core.files import durable_file

_KEY, _CHECKSUM = "key", "checksum"


class Part(NamedTuple):
    """The content of a part."""

    arrays: dict[str, NDArray[Any]]
    notes: dict[str, str]


def part_file(folder: Path, rows: range) -> Path:
    """Return where the part of some rows is."""
    return folder / f"{rows.start:012d}-{rows.stop:012d}.safetensors"


def write_part(
    file: Path,
    key: str,
    arrays: Mapping[str, NDArray[Any]],
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a part, with the text that tells what it was made of, and other notes."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    own = {_KEY: key, _CHECKSUM: _checksum(whole)}
    with durable_file(file) as content:
        content.write(save(whole, {**(notes or {}), **own}))


def read_part(file: Path) -> Part:
    """Return the content of a part that is in place."""
    with safe_open(file, "numpy") as content:
        arrays = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - no dict
        return Part(arrays, content.metadata())


def is_in_place(file: Path, key: str) -> bool:
    """Tell whether there is a part that was made of this."""
    try:
        with safe_open(file, "numpy") as content:
            return bool((content.metadata() or {}).get(_KEY) == key)
    except (OSError, SafetensorError):
        return False


def is_sound(file: Path, key: str) -> bool:
    """Tell whether there is one that is undamaged too, for which it is read."""
    if not is_in_place(file, key):
        return False
    part = read_part(file)
    return part.notes.get(_CHECKSUM) == _checksum(part.arrays)


def _checksum(arrays: Mapping[str, NDArray[Any]]) -> str:
    checksum = 0
    for name in sorted(arrays):
        content = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8)
        checksum = zlib.crc32(content.data, checksum)
    return str(checksum)
