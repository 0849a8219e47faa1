"""A graph as a folder: a document, and two arrays that may be mapped into memory.

The document has their checksums: whatever is damaged is noticed when it is read. Of
arrays that are mapped, which may be larger than memory, sizes and indices are checked.
"""

from __future__ import annotations

import math
import shutil
import stat
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from sklearn_scan.core import disk
from sklearn_scan.core.documents import (
    file_digest,
    is_sound,
    read_document,
    write_document,
)
from sklearn_scan.core.files import FolderKind, durable_folder, read_folder_whole
from sklearn_scan.core.rows import row_blocks
from sklearn_scan.exceptions import ModelFileError

_FORMAT, _VERSION = "sklearn-scan-neighbors", 4
_READABLE_FROM = "0.1.0"  # the first sklearn_scan that reads this version
_LARGEST = 2**16  # bytes of the document
METRICS = ("cosine", "euclidean")
_DOCUMENT, _INDICES, _SIMILARITIES = "graph.json", "indices.npy", "similarities.npy"
_KIND = FolderKind(
    "a graph of neighbours",
    _DOCUMENT,
    _FORMAT,
    frozenset({_DOCUMENT, _INDICES, _SIMILARITIES}),
)
_INDEX, _SIMILARITY = np.dtype("<i8"), np.dtype("<f4")

# What reading a folder that is damaged may raise; the last two are of the header of an
# array, which NumPy reads as Python's literals.
_DAMAGE = (
    FileNotFoundError,
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    SyntaxError,
    TokenError,
)

_Number = TypeVar("_Number", np.int64, np.float32)
Parts = tuple[NDArray[np.int64], NDArray[np.float32], str, float | None, str]
MmapMode = Literal["r", "c"]


def write_graph(path: Path, parts: Parts) -> None:
    """Write the parts of a graph durably, if they are such as can be read again."""
    indices, similarities, method, recall, metric = parts
    check_indices(indices)
    document = {
        "format": _FORMAT,
        "version": _VERSION,
        "readable_from": _READABLE_FROM,
        "method": method,
        "recall": recall,
        "metric": metric,
    }
    with durable_folder(path, _KIND, overwrite=True) as folder:
        _check_room(path, math.prod(indices.shape))
        _write_array(folder / _INDICES, indices, _INDEX)
        _write_array(folder / _SIMILARITIES, similarities, _SIMILARITY)
        names = (_INDICES, _SIMILARITIES)
        digests = {name: file_digest(folder / name) for name in names}
        write_document(folder / _DOCUMENT, document | {"files": digests})


def _check_room(path: Path, n_neighbors: int) -> None:
    n_bytes = n_neighbors * (_INDEX.itemsize + _SIMILARITY.itemsize)
    free = shutil.disk_usage(path.absolute().parent).free
    if n_bytes > free:
        raise OSError(
            f"The graph needs {n_bytes / 1e9:.3g} GB on the disk of {str(path)!r}, "
            f"which has {free / 1e9:.3g} GB free: choose another place, or keep fewer "
            "neighbours by nearest()."
        )


def _write_array(file: Path, array: NDArray[_Number], dtype: np.dtype[_Number]) -> None:
    """Write an array as `numpy.save` would, converting a few MB at a time."""
    header = {"descr": dtype.str, "fortran_order": False, "shape": array.shape}
    with disk.open_file(file) as content:
        write_array_header_1_0(content, header)
        for block in row_blocks(*array.shape):
            content.write(np.ascontiguousarray(array[block], dtype).data)


def read_graph(path: Path, mmap_mode: MmapMode | None) -> Parts:
    """Read, or map, the parts of a graph."""
    if mmap_mode not in (None, "r", "c"):
        raise ValueError(f"mmap_mode must be None, 'r' or 'c'; got {mmap_mode!r}.")
    return read_folder_whole(path, lambda folder: _read(folder, mmap_mode))


def _read(path: Path, mmap_mode: MmapMode | None) -> Parts:
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} is not there.")
    if not path.is_dir():
        raise _damaged(
            path,
            "it is a file, perhaps of an earlier version, and a graph is saved as a "
            "folder: mine the neighbours again, and save them",
        )
    try:
        _check_file(path / _DOCUMENT)
        document = _read_document(path / _DOCUMENT)
        method, recall, metric = _read_facts(document)
        _check_files(path, None if mmap_mode else document["files"])
        indices = _read_array(path / _INDICES, _INDEX, mmap_mode)
        similarities = _read_array(path / _SIMILARITIES, _SIMILARITY, mmap_mode)
        if indices.ndim != 2 or indices.shape != similarities.shape:
            raise ValueError(f"shapes {indices.shape} and {similarities.shape} differ")
        check_indices(indices)
    except ModelFileError:
        raise
    except _DAMAGE as error:
        raise _damaged(path, error) from error
    return indices, similarities, method, recall, metric


def _read_document(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = read_document(file, largest=_LARGEST)
    if document["format"] != _FORMAT:
        raise ValueError(f"it is of the format {document['format']!r}")
    version = document["version"]
    if not isinstance(version, int):
        raise TypeError("its version is no number")
    if version != _VERSION:
        newer = f"sklearn_scan {document.get('readable_from')} and later read it"
        hint = newer if version > _VERSION else "mine and save it again"
        raise ModelFileError(
            f"{str(file.parent)!r} is a graph of version {version}, and this "
            f"sklearn_scan reads version {_VERSION}: {hint}."
        )
    if not is_sound(document):
        raise ValueError(f"{_DOCUMENT} is damaged: its checksum is wrong")
    return document


def _read_facts(document: dict[str, Any]) -> tuple[str, float | None, str]:
    """Return the method of a graph, its recall and its metric."""
    method, recall, metric = (document[key] for key in ("method", "recall", "metric"))
    if not isinstance(method, str):
        raise TypeError("its method is no text")
    if not isinstance(recall, float | None):
        raise TypeError("its recall is no number")
    if metric not in METRICS:
        raise ValueError(f"its metric is {metric!r}")
    return method, recall, metric


def _check_files(path: Path, digests: dict[str, str] | None) -> None:
    """Raise if a file is none of the folder, or has another digest than is given."""
    for name in (_INDICES, _SIMILARITIES):
        _check_file(path / name)
        if digests is not None and file_digest(path / name) != digests[name]:
            raise ValueError(f"{name} is damaged: its checksum is wrong")


def _check_file(file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{file.name} is missing") from error
    if not stat.S_ISREG(mode):
        raise ValueError(f"{file.name} is a link or no file: copy it there")


def _read_array(
    file: Path, dtype: np.dtype[_Number], mmap_mode: MmapMode | None
) -> NDArray[_Number]:
    # mapped in any case: a shape beyond the file is an error then, and takes no memory
    mapped = open_memmap(file, mode=mmap_mode or "r")
    if mapped.dtype != dtype:
        raise ValueError(f"{file.name} must be of {dtype}; got {mapped.dtype}")
    if file.stat().st_size != mapped.offset + mapped.nbytes:
        raise ValueError(f"{file.name} has another size than its header says")
    return mapped if mmap_mode else np.array(mapped)


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
