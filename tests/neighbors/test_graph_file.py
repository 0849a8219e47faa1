"""Graphs kept in files."""

import json
import shutil

import numpy as np
import pytest
import torch
from neighbor_helpers import groups_of_vectors, ring
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file, save_file

from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "graph.safetensors"


def assert_same(graph, other):
    assert_array_equal(graph.indices, other.indices)
    assert_array_equal(graph.similarities, other.similarities)
    assert (graph.method, graph.recall_) == (other.method, other.recall_)


@pytest.mark.parametrize("mmap_mode", [None, "r", "c"])
@pytest.mark.parametrize("method", ["exact", "ivf_sq8"])
def test_round_trip(path, method, mmap_mode):
    X = groups_of_vectors(300)
    graph = mine_neighbors(X, 7, method=method, random_state=0)
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


def test_the_file_is_of_the_safetensors_format(path):
    graph = ring(100, 3)
    graph.save(path)
    arrays = load_file(path)
    assert_array_equal(arrays["indices"], graph.indices)
    assert_array_equal(arrays["similarities"], graph.similarities)


def test_a_mapped_graph_is_drawn_from(path):
    graph = ring(100, 3)
    graph.save(path)
    mapped = NeighborGraph.load(path, mmap_mode="r")
    drawn = [g.sample(torch.Generator().manual_seed(0)) for g in (graph, mapped)]
    assert torch.equal(*drawn)


def test_a_file_is_replaced_when_the_new_one_is_complete(path, monkeypatch):
    ring(10, 2).save(path)
    before = path.read_bytes()
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0)
    )
    with pytest.raises(OSError, match=r"needs 3.6e-07 GB .* 0 GB free: choose another"):
        ring(10, 3).save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    monkeypatch.undo()
    ring(10, 3).save(path)
    assert NeighborGraph.load(path).n_neighbors == 3


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="in a folder that exists"):
        ring(10, 2).save(tmp_path / "none" / "graph")
    with pytest.raises(FileNotFoundError):
        NeighborGraph.load(tmp_path / "graph")


def test_an_unknown_mode(path):
    ring(10, 2).save(path)
    with pytest.raises(ValueError, match="mmap_mode must be None, 'r' or 'c'; got 'w'"):
        NeighborGraph.load(path, mmap_mode="w")


def rewrite(path, change):
    """Change the header of a file."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


DAMAGES = {
    "no header": lambda h: h.clear(),
    "no array": lambda h: h.pop("indices"),
    "another type": lambda h: h["indices"].update(dtype="F64"),
    "too long": lambda h: h["similarities"].update(shape=[10**9, 3]),
    "no shape": lambda h: h["indices"].update(shape="10"),
    "another format": lambda h: h["__metadata__"].update(format='"other"'),
    "shapes that differ": lambda h: h["similarities"].update(shape=[100, 2]),
    "other places": lambda h: h["indices"].update(data_offsets=[8, 2408]),
    "no places": lambda h: h["indices"].update(data_offsets=[]),
    "a recall of letters": lambda h: h["__metadata__"].update(recall='"x"'),
    "no recall": lambda h: h["__metadata__"].pop("recall"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_damaged_files_are_refused(path, damage, mmap_mode):
    ring(100, 3).save(path)
    rewrite(path, damage)
    with pytest.raises(ModelFileError, match="no graph of neighbours"):
        NeighborGraph.load(path, mmap_mode=mmap_mode)


def test_files_of_other_kinds_are_refused(path):
    for content in (b"", b"PK\x03\x04" * 100, b"\x05\0\0\0\0\0\0\0[1,2]"):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="no graph of neighbours"):
            NeighborGraph.load(path)
    save_file({"indices": np.zeros((2, 1), np.int64)}, path)
    with pytest.raises(ModelFileError, match="no graph of neighbours"):
        NeighborGraph.load(path)


def test_a_file_cut_short(path):
    ring(1000, 3).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match="no graph of neighbours"):
        NeighborGraph.load(path)


def test_neighbors_that_are_no_samples(path):
    graph = ring(10, 2)
    graph.save(path)
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    number = (10).to_bytes(8, "little")
    path.write_bytes(content[:start] + number + content[start + 8 :])
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


def test_a_newer_version(path):
    ring(10, 2).save(path)
    rewrite(path, lambda h: h["__metadata__"].update(version="7"))
    with pytest.raises(ModelFileError, match=r"version 7, .* up to version 1: install"):
        NeighborGraph.load(path)
