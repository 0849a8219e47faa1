"""What the package writes to the disk: each in states that are told apart.

A case writes a state, 0, 1 or 2, to a folder, and reads which one is there. The
harnesses of this folder run all of `CASES`; add to it what else is written.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sklearn_scan import load, save
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.core.checkpoint import open_checkpoint
from sklearn_scan.core.files import durable_path
from sklearn_scan.encoders._embedding_array import EmbeddingFile
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.results.label_table import LabelTable, read_table

MODEL = Path(__file__).parents[1] / "results" / "fixtures" / "model_v2"
_ROWS = ".embedding.npy.rows"


def names_in(folder: Path) -> list[str]:
    """Return the names of all that is in a folder, however deep."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def names_hidden(folder: Path) -> list[str]:
    """Return the hidden names, of a folder whose other names go on to be new."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(".*"))


class Case(NamedTuple):
    """Something that is written to a folder."""

    write: Callable[[Path, int], None]  # this state, over the one that is there
    read: Callable[[Path], int | None]  # which state is there; None if nothing is
    names: Callable[[Path], list[str]] = names_in  # that one state always has
    kept: tuple[str, ...] = ()  # what a write that failed may leave, to go on with


@cache
def _model(state: int):
    model = copy.copy(load(MODEL))
    model.cluster_names_ = [f"state {state}", "b", "c"]
    return model


def _write_model(folder: Path, state: int) -> None:
    save(_model(state), folder / "model", overwrite=True)


def _read_model(folder: Path) -> int | None:
    from sklearn_scan.core.files import find_folder

    if not find_folder(folder / "model").exists():
        return None
    loaded = load(folder / "model")
    np.testing.assert_array_equal(loaded.labels_, _model(0).labels_)
    return int(loaded.cluster_names_[0].removeprefix("state "))


def _write_graph(folder: Path, state: int) -> None:
    indices = np.array([[1, 2], [0, 2], [1, 0]])
    NeighborGraph(indices, np.full((3, 2), state, np.float32)).save(folder / "graph")


def _read_graph(folder: Path) -> int | None:
    try:
        graph = NeighborGraph.load(folder / "graph")
    except FileNotFoundError:
        return None
    assert graph.indices.tolist() == [[1, 2], [0, 2], [1, 0]]
    assert (graph.similarities == graph.similarities[0, 0]).all()
    return int(graph.similarities[0, 0])


def _write_labels(folder: Path, state: int) -> None:
    paths, labels = [f"{i}.png" for i in range(200)], np.full(200, state)
    table = LabelTable(paths, labels, ["a", "b", "c"], np.ones(200))
    table.write_csv(folder / "labels.csv")


def _read_labels(folder: Path) -> int | None:
    if not (folder / "labels.csv").exists():
        return None
    rows = read_table(folder / "labels.csv")
    assert [row["path"] for row in rows] == [f"{i}.png" for i in range(200)]
    (label,) = {row["label"] for row in rows}
    return int(label)


def _write_note(folder: Path, state: int) -> None:
    run = RunFolder(folder)
    if (folder / ".sklearn-scan.json").exists():
        run.open()
    run.finish(str(state))


def _read_note(folder: Path) -> int | None:
    if not (folder / ".sklearn-scan.json").exists():
        return None
    return int(RunFolder(folder).open().truth)


def _write_embedding(folder: Path, state: int) -> None:
    array = EmbeddingFile(range(5), folder / "embedding.npy", f"state {state}")
    with array.filling():
        for row in range(5):
            array[row] = np.full(7, state, np.float32)
        array.finish(bad=[])


def _read_embedding(folder: Path) -> int | None:
    if not (folder / "embedding.npy").exists():
        return None
    array = np.load(folder / "embedding.npy")
    assert array.shape == (5, 7)
    assert (array == array[0, 0]).all()
    return int(array[0, 0])


def _write_by_path(folder: Path, state: int) -> None:
    with durable_path(folder / "page.html") as aside:
        from sklearn_scan.core import disk

        disk.write_by_name(aside, lambda: aside.write_text(f"<p>{state}</p>" * 100))


def _read_by_path(folder: Path) -> int | None:
    if not (folder / "page.html").exists():
        return None
    text = (folder / "page.html").read_text()
    state = int(text[3])
    assert text == f"<p>{state}</p>" * 100
    return state


def _write_checkpoint(folder: Path, state: int) -> None:
    with open_checkpoint(folder / "checkpoint") as checkpoint:
        checkpoint.begin({"n_clusters": "3"}, [0])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                checkpoint.put({"loop": np.full(9, state), f"of-{state}": state})
            except UserWarning as warning:  # the work goes on; here it is an error
                raise OSError(str(warning)) from warning


def _read_checkpoint(folder: Path) -> int | None:
    if not (folder / "checkpoint").exists():
        return None
    with warnings.catch_warnings():  # of a damaged state, before which one is sound
        warnings.simplefilter("ignore")
        with open_checkpoint(folder / "checkpoint") as checkpoint:
            if "loop" not in checkpoint:
                return None
            (state,) = np.unique(checkpoint.get("loop")).tolist()
            assert checkpoint.get(f"of-{state}") == state
            return int(state)


CASES = {
    "model": Case(_write_model, _read_model),
    "graph": Case(_write_graph, _read_graph),
    "label table": Case(_write_labels, _read_labels),
    "run note": Case(_write_note, _read_note),
    "embedding": Case(
        _write_embedding,
        _read_embedding,
        kept=(_ROWS, f"{_ROWS}/progress.json", f"{_ROWS}/rows.npy"),
    ),
    "checkpoint": Case(_write_checkpoint, _read_checkpoint, names=names_hidden),
    "file by name": Case(_write_by_path, _read_by_path),
}
