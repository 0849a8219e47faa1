"""A graph as a file of the safetensors format, which may be mapped into memory.

The format is eight bytes with the length of a JSON header, the header, and the arrays.
Here arrays are written from where they are, and read or mapped from where they lie, so
that a graph larger than memory passes.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.files import written_aside
from sklearn_scan.core.rows import row_blocks
from sklearn_scan.exceptions import ModelFileError

_FORMAT, _VERSION = "sklearn-scan-neighbors", 1
_TYPES: dict[str, np.dtype[Any]] = {"I64": np.dtype("<i8"), "F32": np.dtype("<f4")}
_ARRAYS = {"indices": "I64", "similarities": "F32"}
_MOST_HEADER = 100_000  # bytes; of a few hundred

Parts = tuple[NDArray[np.int64], NDArray[np.float32], str, float | None]


def write_graph(
    path: Path,
    indices: NDArray[np.int64],
    similarities: NDArray[np.float32],
    method: str,
    recall: float | None,
) -> None:
    """Write the parts of a graph, if they are such as can be read again."""
    check_indices(indices)
    arrays: dict[str, NDArray[Any]] = {"indices": indices, "similarities": similarities}
    facts = {"format": _FORMAT, "version": _VERSION, "method": method, "recall": recall}
    header: dict[str, Any] = {
        # as the format has it, a map of texts
        "__metadata__": {name: json.dumps(value) for name, value in facts.items()}
    }
    end = 0
    for name, kind in _ARRAYS.items():
        start, end = end, end + math.prod(indices.shape) * _TYPES[kind].itemsize
        header[name] = {
            "dtype": kind, "shape": indices.shape, "data_offsets": [start, end]
        }  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of eight
    with written_aside(path) as file:
        _check_room(path, end)
        file.write(len(text).to_bytes(8, "little") + text)
        for name, kind in _ARRAYS.items():
            for block in row_blocks(*indices.shape):
                file.write(np.ascontiguousarray(arrays[name][block], _TYPES[kind]).data)


def _check_room(path: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(path.absolute().parent).free
    if n_bytes > free:
        raise OSError(
            f"The graph needs {n_bytes / 1e9:.3g} GB on the disk of {str(path)!r}, "
            f"which has {free / 1e9:.3g} GB free: choose another place, or keep fewer "
            "neighbours by nearest()."
        )


def read_graph(path: Path, mmap_mode: str | None) -> Parts:
    """Read, or map, the parts of a graph.

    Raises
    ------
    ModelFileError
        If the file holds none.
    """
    if mmap_mode not in (None, "r", "c"):
        raise ValueError(f"mmap_mode must be None, 'r' or 'c'; got {mmap_mode!r}.")
    header, start = _read_header(path)
    facts = _read_facts(path, header)
    try:
        shape = _check_layout(header)
        arrays = []
        for name, kind in _ARRAYS.items():
            offset = start + header[name]["data_offsets"][0]
            if 0 in shape:  # nothing to map
                arrays.append(np.empty(shape, _TYPES[kind]))
                continue
            mode: Any = mmap_mode or "r"
            mapped = np.memmap(path, _TYPES[kind], mode, offset, shape)
            arrays.append(mapped if mmap_mode else np.array(mapped))
        check_indices(arrays[0])
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(path, error) from error
    return arrays[0], arrays[1], facts["method"], facts["recall"]


def _check_layout(header: dict[str, Any]) -> tuple[int, int]:
    """Return the shape of both arrays, if they lie one after the other."""
    n_rows, n_columns = (int(size) for size in header["indices"]["shape"])
    end = 0
    for name, kind in _ARRAYS.items():
        start, end = end, end + n_rows * n_columns * _TYPES[kind].itemsize
        expected = {
            "dtype": kind,
            "shape": [n_rows, n_columns],
            "data_offsets": [start, end],
        }
        if header[name] != expected:
            raise ValueError(f"{name} should be {expected}, and is {header[name]}")
    return n_rows, n_columns


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return the header, and where the arrays begin."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MOST_HEADER:
            raise _damaged(path, "it does not begin as such files do")
        text = file.read(length)
    try:
        header: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise _damaged(path, error) from error
    return header, 8 + length


def _read_facts(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    try:
        texts = header["__metadata__"]
        facts = {name: json.loads(text) for name, text in texts.items()}
        if facts["format"] != _FORMAT:
            raise ValueError(f"it is of the format {facts['format']!r}")
        version = int(facts["version"])
        if not isinstance(facts["method"], str):
            raise TypeError("its method is no text")
        if not isinstance(facts["recall"], float | None):
            raise TypeError("its recall is no number")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from error
    if version > _VERSION:
        raise ModelFileError(
            f"{str(path)!r} is a graph of version {version}, and this sklearn_scan "
            f"reads up to version {_VERSION}: install a newer one."
        )
    return facts


def check_indices(indices: NDArray[np.int64]) -> None:
    """Raise a ValueError unless all are numbers of samples, or -1."""
    n_samples = len(indices)
    for block in row_blocks(*indices.shape):
        part = indices[block]
        if part.size and not (part.min() >= -1 and part.max() < n_samples):
            raise ValueError(
                f"indices must be those of the samples, from 0 to {n_samples - 1}, or "
                f"-1 for none; got some from {part.min()} to {part.max()}"
            )


def _damaged(path: Path, reason: object) -> ModelFileError:
    return ModelFileError(f"{str(path)!r} is no graph of neighbours: {reason}.")
