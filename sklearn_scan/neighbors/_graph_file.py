"""A graph as a folder: two arrays, which may be mapped into memory, and a document."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from sklearn_scan.core.files import FolderKind, durable_folder
from sklearn_scan.core.rows import row_blocks
from sklearn_scan.exceptions import ModelFileError

_FORMAT, _VERSION = "sklearn-scan-neighbors", 3
_WITHOUT_METRIC = 2  # the version of graphs whose metric is the cosine
METRICS = ("cosine", "euclidean")
_DOCUMENT, _INDICES, _SIMILARITIES = "graph.json", "indices.npy", "similarities.npy"
_KIND = FolderKind(
    "a graph of neighbours",
    _DOCUMENT,
    _FORMAT,
    frozenset({_DOCUMENT, _INDICES, _SIMILARITIES}),
)
_INDEX, _SIMILARITY = np.dtype("<i8"), np.dtype("<f4")

# What reading a folder that is damaged may raise.
_DAMAGE = (
    FileNotFoundError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)

_Number = TypeVar("_Number", np.int64, np.float32)
Parts = tuple[NDArray[np.int64], NDArray[np.float32], str, float | None, str]
MmapMode = Literal["r", "c"]


def write_graph(path: Path, parts: Parts) -> None:
    """Write the parts of a graph durably, if they are such as can be read again."""
    indices, similarities, method, recall, metric = parts
    check_indices(indices)
    document = {
        "format": _FORMAT, "version": _VERSION, "method": method, "recall": recall,
        "metric": metric,
    }  # fmt: skip
    with durable_folder(path, _KIND, overwrite=True) as folder:
        _check_room(path, math.prod(indices.shape))
        _write_array(folder / _INDICES, indices, _INDEX)
        _write_array(folder / _SIMILARITIES, similarities, _SIMILARITY)
        text = json.dumps(document, indent=1) + "\n"
        (folder / _DOCUMENT).write_text(text, encoding="utf-8")


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
    with file.open("wb") as content:
        write_array_header_1_0(content, header)
        for block in row_blocks(*array.shape):
            content.write(np.ascontiguousarray(array[block], dtype).data)


def read_graph(path: Path, mmap_mode: MmapMode | None) -> Parts:
    """Read, or map, the parts of a graph."""
    if mmap_mode not in (None, "r", "c"):
        raise ValueError(f"mmap_mode must be None, 'r' or 'c'; got {mmap_mode!r}.")
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} is not there.")
    if not path.is_dir():
        raise _damaged(
            path,
            "it is a file, perhaps of an earlier version, and a graph is saved as a "
            "folder: mine the neighbours again, and save them",
        )
    try:
        method, recall, metric = _read_document(path / _DOCUMENT)
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


def _read_document(file: Path) -> tuple[str, float | None, str]:
    """Return the method of a graph, its recall and its metric."""
    document = json.loads(file.read_text(encoding="utf-8"))
    if document["format"] != _FORMAT:
        raise ValueError(f"it is of the format {document['format']!r}")
    version = int(document["version"])
    if version not in (_WITHOUT_METRIC, _VERSION):
        hint = "install a newer one" if version > _VERSION else "mine and save it again"
        raise ModelFileError(
            f"{str(file.parent)!r} is a graph of version {version}, and this "
            f"sklearn_scan reads versions {_WITHOUT_METRIC} and {_VERSION}: {hint}."
        )
    method, recall = document["method"], document["recall"]
    if not isinstance(method, str):
        raise TypeError("its method is no text")
    if not isinstance(recall, float | None):
        raise TypeError("its recall is no number")
    metric = "cosine" if version == _WITHOUT_METRIC else document["metric"]
    if metric not in METRICS:
        raise ValueError(f"its metric is {metric!r}")
    return method, recall, metric


def _read_array(
    file: Path, dtype: np.dtype[_Number], mmap_mode: MmapMode | None
) -> NDArray[_Number]:
    # mapped in any case: a shape beyond the file is an error then, and takes no memory
    mapped = open_memmap(file, mode=mmap_mode or "r")
    if mapped.dtype != dtype:
        raise ValueError(f"{file.name} must be of {dtype}; got {mapped.dtype}")
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
