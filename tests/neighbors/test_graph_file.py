"""Graphs kept in folders."""

import json
import os
import shutil
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from neighbor_helpers import METRICS, groups_of_vectors, ring
from numpy.testing import assert_array_equal

from sklearn_scan.core.documents import file_digest, write_document
from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors

# where a file of zeros takes room on the disk
not_on_windows = pytest.mark.skipif(os.name == "nt", reason="needs sparse files")

FIXTURES = Path(__file__).with_name("fixtures")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "graph"


def assert_same(graph, other):
    assert_array_equal(graph.indices, other.indices)
    assert_array_equal(graph.similarities, other.similarities)
    assert (graph.method, graph.recall_) == (other.method, other.recall_)
    assert graph.metric == other.metric


@pytest.mark.parametrize("mmap_mode", [None, "r", "c"])
@pytest.mark.parametrize("method", ["exact", "ivf_sq8"])
@pytest.mark.parametrize("metric", METRICS)
def test_round_trip(path, metric, method, mmap_mode):
    X = groups_of_vectors(300)
    graph = mine_neighbors(X, 7, method=method, metric=metric, random_state=0)
    graph.save(path)
    again = NeighborGraph.load(path, mmap_mode=mmap_mode)
    assert_same(again, graph)
    assert (again.indices.dtype, again.similarities.dtype) == (np.int64, np.float32)
    assert isinstance(again.indices, np.memmap) == (mmap_mode is not None)
    assert again.indices.flags.writeable == (mmap_mode != "r")


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_graphs_with_gaps_and_without_neighbors(path, mmap_mode):
    for graph in (
        ring(4, 2).spread(np.array([0, 1, 3, 4]), 6),
        NeighborGraph.empty(3),
        NeighborGraph(np.array([[1], [0]]), np.ones((2, 1)), recall_=None),
    ):
        graph.save(path)
        assert_same(NeighborGraph.load(path, mmap_mode=mmap_mode), graph)


def test_the_arrays_are_npy_files(path):
    graph = ring(100, 3)
    graph.save(path)
    assert_array_equal(np.load(path / "indices.npy"), graph.indices)
    assert_array_equal(np.load(path / "similarities.npy"), graph.similarities)
    files = {file.name for file in path.iterdir()}
    assert files == {"graph.json", "indices.npy", "similarities.npy"}


def test_a_graph_takes_the_place_of_the_one_it_is_mapped_from(path):
    ring(100, 3).save(path)
    mapped = NeighborGraph.load(path, mmap_mode="r")
    mapped.nearest(2).save(path)
    assert_same(NeighborGraph.load(path), ring(100, 3).nearest(2))
    assert_same(mapped, ring(100, 3))


def test_memory_is_bounded_of_arrays_of_any_type(path):
    graph = NeighborGraph(
        np.zeros((400_000, 10), np.int32), np.zeros((400_000, 20))[:, ::2]
    )
    graph.save(path)
    tracemalloc.start()
    graph.save(path)
    NeighborGraph.load(path, mmap_mode="r")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20e6  # of 48 MB in the files


def test_a_mapped_graph_is_drawn_from(path):
    graph = ring(100, 3)
    graph.save(path)
    mapped = NeighborGraph.load(path, mmap_mode="r")
    drawn = [g.sample(torch.Generator().manual_seed(0)) for g in (graph, mapped)]
    assert torch.equal(*drawn)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_graph_is_replaced_when_the_new_one_is_complete(path, monkeypatch):
    ring(10, 2).save(path)
    before = contents(path)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0)
    )
    with pytest.raises(OSError, match=r"needs 3.6e-07 GB .* 0 GB free: choose another"):
        ring(10, 3).save(path)
    assert contents(path) == before
    assert list(path.parent.iterdir()) == [path]
    monkeypatch.undo()
    ring(10, 3).save(path)
    assert NeighborGraph.load(path).n_neighbors == 3


def test_what_is_no_graph_is_never_replaced(path):
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="is a file"):
        ring(10, 2).save(path)
    assert path.read_text() == "mine"
    path.unlink()
    path.mkdir()
    (path / "diary.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="other things than a graph"):
        ring(10, 2).save(path)
    (path / "diary.txt").rename(path.parent / "diary.txt")
    ring(10, 2).save(path)  # empty
    (path.parent / "diary.txt").rename(path / "diary.txt")
    ring(10, 3).save(path)
    assert (path / "diary.txt").read_text() == "mine"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="in a folder that exists"):
        ring(10, 2).save(tmp_path / "none" / "graph")
    with pytest.raises(FileNotFoundError):
        NeighborGraph.load(tmp_path / "graph")


def test_an_unknown_mode(path):
    ring(10, 2).save(path)
    with pytest.raises(ValueError, match="mmap_mode must be None, 'r' or 'c'; got 'w'"):
        NeighborGraph.load(path, mmap_mode="w")


def rewrite(path, **changes):
    """Change the document of a graph, with a right checksum; "gone" deletes a key."""
    file = path / "graph.json"
    document = json.loads(file.read_text()) | changes
    write_document(file, {k: v for k, v in document.items() if v != "gone"})


def sign(path):
    """Make the checksums right, as somebody does who crafts a file."""
    arrays = [file for file in path.glob("*.npy") if file.is_file()]
    rewrite(path, files={file.name: file_digest(file) for file in arrays})


def write_array(name, make):
    def damage(path):
        np.save(path / name, make(np.load(path / name)))

    return damage


def cut(name):
    def damage(path):
        content = (path / name).read_bytes()
        (path / name).write_bytes(content[:-100])

    return damage


def claim_more_rows(path):
    content = (path / "indices.npy").read_bytes()
    more = content.replace(b"(100, 3), }   ", b"(100000, 3), }")
    assert more != content
    (path / "indices.npy").write_bytes(more)


DAMAGES = {
    "no document": lambda path: (path / "graph.json").unlink(),
    "no array": lambda path: (path / "indices.npy").unlink(),
    "no JSON": lambda path: (path / "graph.json").write_bytes(b"\xff{"),
    "a list": lambda path: (path / "graph.json").write_text("[1, 2]"),
    "too deep": lambda path: (path / "graph.json").write_text("[" * 100_000),
    "another format": lambda path: rewrite(path, format="other"),
    "a version of letters": lambda path: rewrite(path, version="x"),
    "no method": lambda path: rewrite(path, method=None),
    "a recall of letters": lambda path: rewrite(path, recall="x"),
    "no metric": lambda path: rewrite(path, metric="gone"),
    "another metric": lambda path: rewrite(path, metric="l2"),
    "no recall": lambda path: rewrite(path, recall="gone"),
    "another type": write_array("indices.npy", lambda a: a.astype(np.float64)),
    "objects": write_array("indices.npy", lambda a: a.astype(object)),
    "one dimension": write_array("indices.npy", lambda a: a[:, 0]),
    "shapes that differ": write_array("similarities.npy", lambda a: a[:, :2]),
    "too long": claim_more_rows,
    "indices cut short": cut("indices.npy"),
    "similarities cut short": cut("similarities.npy"),
    "a file of another kind": lambda path: (path / "indices.npy").write_bytes(
        b"PK\x03\x04" * 100
    ),
    "an empty file": lambda path: (path / "indices.npy").write_bytes(b""),
}


@pytest.mark.parametrize("crafted", [False, True])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_damaged_graphs_are_refused(path, damage, mmap_mode, crafted):
    ring(100, 3).save(path)
    damage(path)
    if crafted:
        with suppress(Exception):  # of documents that are none
            sign(path)
    with pytest.raises(ModelFileError, match="no graph of neighbours"):
        NeighborGraph.load(path, mmap_mode=mmap_mode)


def test_a_file_is_refused(path):
    path.write_bytes(b"as graphs were kept before")
    with pytest.raises(ModelFileError, match="it is a file, perhaps of an earlier"):
        NeighborGraph.load(path)


def test_neighbors_that_are_no_samples(path):
    graph = ring(10, 2)
    graph.save(path)
    write_array("indices.npy", lambda a: np.where(a == 3, 10, a))(path)
    with pytest.raises(ModelFileError, match=r"indices\.npy is damaged"):
        NeighborGraph.load(path)
    sign(path)
    with pytest.raises(ModelFileError, match="from 0 to 9, or -1 for none"):
        NeighborGraph.load(path)
    shifted = NeighborGraph(graph.indices + 5, graph.similarities)
    with pytest.raises(ValueError, match=r"from 0 to 9, .* got some from 5 to 14"):
        shifted.save(path)


def test_what_is_saved_is_read_again(path):
    graph = ring(10, 2)
    for recall in (1, np.float32(0.5), None):
        NeighborGraph(graph.indices, graph.similarities, "other", recall).save(path)
        assert NeighborGraph.load(path).recall_ == recall


@pytest.mark.parametrize(
    ("version", "hint"),
    [(7, "sklearn_scan 0.1.0 and later read it"), (3, "mine and save it again")],
)
def test_another_version(path, version, hint):
    ring(10, 2).save(path)
    rewrite(path, version=version)
    with pytest.raises(
        ModelFileError, match=f"version {version}, .* version 4: {hint}"
    ):
        NeighborGraph.load(path)


@pytest.mark.parametrize("name", ["graph.json", "indices.npy", "similarities.npy"])
def test_every_flipped_byte_is_noticed_or_harmless(path, name):
    ring(5, 2).save(path)
    expected, content = NeighborGraph.load(path), (path / name).read_bytes()
    for place in range(0, len(content), 3):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        (path / name).write_bytes(damaged)
        try:
            assert_same(NeighborGraph.load(path), expected)
        except ModelFileError:
            continue
        assert name == "graph.json"  # of white space, or letters that mean the same
        assert json.loads(bytes(damaged)) == json.loads(content)


def test_a_graph_that_is_mapped_is_not_read_whole(path, monkeypatch):
    ring(10, 2).save(path)
    monkeypatch.setattr("sklearn_scan.neighbors._graph_file.file_digest", None)
    assert NeighborGraph.load(path, mmap_mode="r").n_samples == 10
    with (path / "similarities.npy").open("ab") as file:
        file.write(b"1")
    with pytest.raises(ModelFileError, match=r"similarities\.npy has another size"):
        NeighborGraph.load(path, mmap_mode="r")


@pytest.mark.parametrize("mmap_mode", [None, "r"])
@pytest.mark.parametrize("name", ["graph.json", "indices.npy", "similarities.npy"])
def test_links_in_a_graph_s_folder_are_refused(name, mmap_mode, path, tmp_path):
    ring(10, 2).save(path)
    (path / name).rename(tmp_path / name)
    try:
        (path / name).symlink_to(tmp_path / name)
    except OSError:
        pytest.skip("this system lets us make no links")
    with pytest.raises(ModelFileError, match=f"{name} is a link or no file"):
        NeighborGraph.load(path, mmap_mode=mmap_mode)


@not_on_windows
def test_a_document_larger_than_any_graph_has_is_not_read(path):
    ring(10, 2).save(path)
    os.truncate(path / "graph.json", 10**12)  # which takes no room on the disk
    with pytest.raises(ModelFileError, match="it has 1,000,000,000,000 bytes, more"):
        NeighborGraph.load(path)


def test_an_array_that_declares_more_than_the_file_has(path):
    ring(100, 3).save(path)
    for name in ("indices.npy", "similarities.npy"):
        content = (path / name).read_bytes()
        more = content.replace(b"(100, 3), }" + b" " * 10, b"(1000000000000, 3), }")
        assert more != content
        (path / name).write_bytes(more)
    sign(path)
    for mmap_mode in (None, "r"):
        with pytest.raises(ModelFileError, match="no graph of neighbours"):
            NeighborGraph.load(path, mmap_mode=mmap_mode)


def test_a_graph_whose_replacement_was_cut_off_is_found(path):
    """As by a loss of power between two renames."""
    ring(10, 2).save(path)
    path.rename(path.with_name(f".{path.name}.{'0' * 22}.before"))
    assert_same(NeighborGraph.load(path), ring(10, 2))


def test_a_graph_that_is_replaced_while_it_is_read(path):
    """All of one state, also where the arrays are mapped."""
    graphs = [ring(10, 2), ring(12, 3)]
    graphs[0].save(path)
    with ThreadPoolExecutor(1) as pool:
        saving = pool.submit(lambda: [graphs[i % 2].save(path) for i in range(20)])
        while not saving.done():
            graph = NeighborGraph.load(path, mmap_mode="r")
            assert_same(graph, graphs[graph.indices.shape[1] - 2])
        saving.result()


def test_a_graph_of_an_earlier_release_is_read():
    """Of each version of the format; none of these folders is ever written anew."""
    folders = sorted(FIXTURES.glob("graph_v*"))
    assert [folder.name for folder in folders] == ["graph_v4"]
    for folder in folders:
        for mmap_mode in (None, "r"):
            graph = NeighborGraph.load(folder, mmap_mode=mmap_mode)
            assert_array_equal(graph.indices, [[1, 2], [0, -1], [1, 0]])
            assert_array_equal(graph.similarities, [[0.5, 0.25], [0.5, 0], [1, -1]])
            facts = (graph.method, graph.recall_, graph.metric)
            assert facts == ("exact", 1.0, "euclidean")
