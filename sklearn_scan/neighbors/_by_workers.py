"""Approximate neighbours found by workers: a file for each range of samples.

The driver writes the features and the index to a folder that all workers see, and each
worker maps both into its memory. What a worker finds is what one process finds.
"""

from __future__ import annotations

import functools
import mmap
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_scan.core import disk
from sklearn_scan.core.parallel import has_workers, run_tasks
from sklearn_scan.core.parts import is_in_place, part_file, read_part, write_part
from sklearn_scan.core.rows import row_slices
from sklearn_scan.exceptions import WorkerError
from sklearn_scan.neighbors._refine import BATCH
from sklearn_scan.neighbors._search import Search
from sklearn_scan.neighbors._top_k import Found

_SEARCH, _FEATURES, _INDEX = "search.pickle", "features.npy", "index.faiss"
_KEY = "neighbours"
# Samples of a task: batches are those of a search without workers.
_TASKS, _MOST = 64, 16 * BATCH
_LEAST_BATCHES = 4  # with fewer, the search is over before workers have begun


def collect_by_workers(search: Search, n_probes: int, *, verbose: int = 0) -> Found:
    """Return the neighbours of all samples, as `collect` does, found by workers.

    Parameters
    ----------
    search : Search
        The vectors and their index.
    n_probes : int
        How many lists to search.
    verbose : int
        Above zero, shows a progress bar.

    Raises
    ------
    WorkerError
        If workers could not find those of some samples.
    """
    order = search.files.order
    similarities = torch.empty(len(order), search.k, dtype=torch.float32)
    indices = torch.empty(len(order), search.k, dtype=torch.int64)
    with disk.temporary_folder() as folder:
        _write_search(search, folder)
        for rows in _run(folder, n_probes, len(order), verbose):
            found = read_part(part_file(folder, rows)).arrays
            samples = torch.from_numpy(order[rows.start : rows.stop])
            similarities[samples] = torch.from_numpy(found["similarities"])
            indices[samples] = torch.from_numpy(found["indices"])
    return similarities, indices


def suits_workers(search: Search) -> bool:
    """Tell whether workers are to search: the user has some, and there is enough."""
    is_large = len(search.files.order) >= _LEAST_BATCHES * BATCH
    return is_large and search.files.is_on_cpu and has_workers()


def _run(folder: Path, n_probes: int, n_samples: int, verbose: int) -> list[range]:
    """Have workers search; return the ranges of the order that are in files."""
    size = max(1, min(_MOST, n_samples // _TASKS) // BATCH) * BATCH
    tasks = [range(n_samples)[part] for part in row_slices(n_samples, size)]
    outcomes = run_tasks(
        _find,
        tasks,
        lambda rows: (folder, n_probes, rows),
        lambda rows: is_in_place(part_file(folder, rows), _KEY),
    )
    reason, cause = "", None
    with tqdm(total=len(tasks), desc="neighbours", disable=verbose <= 0) as progress:
        try:
            for error in outcomes:
                progress.update()
                reason = reason or error
        except Exception as error:  # of the engine
            reason, cause = f"they end as they search ({error})", error
    if reason:
        raise WorkerError(f"Workers could not find neighbours: {reason}.") from cause
    return tasks


def _find(folder: Path, n_probes: int, rows: range) -> str:
    """Find the neighbours of a range on a worker; return why, if it cannot."""
    try:
        search = _read_search(folder)
        order = search.files.order[rows.start : rows.stop]
        batches = row_slices(len(rows), BATCH)
        found = [search(order[batch], n_probes) for batch in batches]
        names = "similarities", "indices"
        arrays = {
            name: torch.cat(each).numpy()
            for name, each in zip(names, zip(*found, strict=True), strict=True)
        }
        write_part(part_file(folder, rows), _KEY, arrays)
    except Exception as error:
        if (folder / _SEARCH).exists():
            return f"{type(error).__name__}: {error}"
        return (
            f"a worker does not see what is in the folder {str(folder)!r}: set TMPDIR "
            "to one that all machines share"
        )
    return ""


def _write_search(search: Search, folder: Path) -> None:
    """Write a search to a folder: its features, its index, and what is small."""
    table = search.vectors.table
    place = _place_in_file(table)
    if place is None:
        whole = table.detach().cpu() if isinstance(table, Tensor) else table
        with disk.open_file(folder / _FEATURES) as file:
            np.save(file, np.asarray(whole))
    search.files.write(folder / _INDEX)
    small = search.without_data()
    with disk.open_file(folder / _SEARCH) as file:
        file.write(cloudpickle.dumps((small, place)))


@functools.lru_cache(maxsize=1)
def _read_search(folder: Path) -> Search:
    """Return the search of a folder, which the worker holds over its tasks."""
    search, place = cloudpickle.loads((folder / _SEARCH).read_bytes())
    if place is None:
        table = np.load(folder / _FEATURES, mmap_mode="r")
    else:
        table = np.memmap(mode="r", **place)
    result: Search = search.with_data(table, folder / _INDEX)
    return result


def _place_in_file(table: np.ndarray | Tensor) -> dict[str, Any] | None:
    """Return where a memory-mapped array is in its file; None of any other."""
    base: Any = getattr(table, "base", None)
    # a part of a mapped array does not know where it begins
    if not (isinstance(table, np.memmap) and isinstance(base, mmap.mmap)):
        return None
    if table.mode != "r":  # it may have been changed in memory
        return None
    return {
        "filename": table.filename,
        "dtype": table.dtype,
        "offset": table.offset,
        "shape": table.shape,
        "order": "C" if table.flags.c_contiguous else "F",
    }
