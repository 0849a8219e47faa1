"""Plain data in a file: all comes back as it was, and nothing else is taken."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch

from sklearn_scan.core.plain_data import read_plain, write_plain

VALUES = {
    "none": None,
    "numbers": [True, 3, -0.5, float("inf"), float("-inf")],
    "text": 'é "quoted" \x00',
    "tuple": (1, (2, ["three"])),
    "by number": {0: {"step": torch.tensor(2.0)}, 1: {}},
    "tensors": [torch.arange(6).reshape(2, 3).T, torch.zeros(0, 3), torch.tensor(True)],
    "halves": torch.ones(3, dtype=torch.bfloat16),
    "arrays": (np.arange(3, dtype=np.int64), np.zeros((0, 2), np.float32)),
}


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for each in zip(found, expected, strict=True):
            assert_same(*each)
    elif isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("name", VALUES)
def test_it_comes_back(name, tmp_path):
    write_plain(tmp_path / "file", VALUES[name])
    assert_same(read_plain(tmp_path / "file"), VALUES[name])


def test_tensors_that_share_memory_come_back_apart(tmp_path):
    whole = torch.arange(4.0)
    write_plain(tmp_path / "file", [whole, whole[:2], whole])
    first, part, again = read_plain(tmp_path / "file")
    first.zero_()
    assert part.tolist() == [0, 1]
    assert again.tolist() == [0, 1, 2, 3]


def test_keys_that_look_alike_are_kept_apart(tmp_path):
    one, two = torch.tensor(1), torch.tensor(2)
    value = {"a.b": one, "a": {"b": two}, 1: one, "1": two}
    write_plain(tmp_path / "file", value)
    assert_same(read_plain(tmp_path / "file"), value)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (4, 1, 3, 3), (2, 3, 1, 1)])
def test_the_order_in_memory_is_kept(shape, tmp_path):
    weight = torch.randn(shape).to(memory_format=torch.channels_last)
    write_plain(tmp_path / "file", [weight, weight[::2]])
    found, part = read_plain(tmp_path / "file")
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, weight)
    assert torch.equal(part, weight[::2])


def test_what_is_read_may_be_changed_and_its_file_stays(tmp_path):
    write_plain(tmp_path / "file", torch.ones(3))
    read_plain(tmp_path / "file").zero_()
    assert read_plain(tmp_path / "file").tolist() == [1, 1, 1]


def test_not_a_number_comes_back(tmp_path):
    write_plain(tmp_path / "file", {"loss": float("nan")})
    assert np.isnan(read_plain(tmp_path / "file")["loss"])


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, object()]}, r"state\.a\.1 must be plain data; got a object"),
        ({1.5: 0}, r"state must have keys of text or int; got 1\.5"),
        ({"x": np.array(["a"])}, r"state\.x must be plain data; got a ndarray"),
        (np.float64(1), "state must be plain data; got a float64"),
    ],
)
def test_what_is_not_plain_is_named(value, place, tmp_path):
    with pytest.raises(TypeError, match=place):
        write_plain(tmp_path / "file", value)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    "tree",
    [
        None,
        "{",
        "[",
        '{"tensor": ["gone", []]}',
        '{"tensor": 1}',
        '{"pickle": "x"}',
        "{}",
        '{"a": 1, "b": 2}',
    ],
)
def test_a_file_of_another_kind_is_refused(tree, tmp_path):
    metadata = {} if tree is None else {"plain data": tree}
    safetensors.torch.save_file({}, tmp_path / "file", metadata=metadata)
    with pytest.raises(ValueError, match="file is damaged"):
        read_plain(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b"no file", b"\xff" * 100, json.dumps({})])
def test_damage_is_named(content, tmp_path):
    content = content if isinstance(content, bytes) else content.encode()
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match="file is damaged"):
        read_plain(tmp_path / "file")


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, limit_files):
    with (
        limit_files(500),
        pytest.raises(OSError, match=r"file' cannot be written: .*too large"),
    ):
        write_plain(tmp_path / "file", torch.ones(1000))
