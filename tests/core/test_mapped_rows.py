"""Rows of arrays in files: read in part, in any format, and through functions."""

import numpy as np
import pytest
import torch

from sklearn_scan.core.features import is_constant
from sklearn_scan.core.mapped_rows import MappedRows, is_mapped, read_rows, through
from sklearn_scan.core.rows import check_finite_rows, row_blocks
from sklearn_scan.core.sampling import count_drawn, draw_rows, draw_sample
from sklearn_scan.training.heads import Standardize

CPU = torch.device("cpu")
VALUES = np.random.default_rng(0).normal(3, 2, (40, 6))


def map_to(path, values, dtype=np.float32, order="C", mode="r"):
    values = np.asarray(values).astype(dtype)
    mapped = np.memmap(path, dtype, "w+", shape=values.shape, order=order)
    mapped[:] = values
    mapped.flush()
    return np.memmap(path, dtype, mode, shape=values.shape, order=order)


@pytest.mark.parametrize(
    "dtype", ["<f2", ">f2", ">f4", "<f8", "i1", "u1", ">i4", "<i8"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_any_format(dtype, order, tmp_path, monkeypatch):
    monkeypatch.setattr("sklearn_scan.core.mapped_rows._AT_ONCE", 12)  # two rows
    values = np.abs(10 * VALUES).astype(dtype)
    rows = MappedRows(map_to(tmp_path / "x", values, dtype, order), CPU)
    expected = torch.from_numpy(values.astype(np.float32))
    picked = torch.tensor([7, 3, 39, 3, 0])
    assert torch.equal(rows.index_select(0, picked), expected[picked])
    assert torch.equal(torch.cat([*rows.split(7)]), expected)
    assert rows.shape == (40, 6)
    assert len(rows) == 40


def test_functions_apply_to_rows_as_they_are_read(tmp_path):
    array = map_to(tmp_path / "x", VALUES)
    seen = []

    def halve(rows):
        seen.append(len(rows))
        return rows[:, :3] / 2

    rows = through(torch.exp, through(halve, MappedRows(array, CPU)))
    assert seen == []
    assert rows.shape == (40, 3)
    expected = torch.from_numpy(VALUES.astype(np.float32))[:, :3].div(2).exp()
    assert torch.equal(rows.index_select(0, torch.tensor([5, 1])), expected[[5, 1]])
    assert seen == [1, 2]
    assert torch.equal(torch.cat([*rows.split(16)]), expected)
    assert torch.equal(through(halve, torch.ones(2, 6)), torch.full((2, 3), 0.5))


@pytest.mark.parametrize("block", [6, 12, 42, 10_000])
def test_moments_do_not_depend_on_the_blocks(block, monkeypatch, tmp_path):
    monkeypatch.setattr("sklearn_scan.core.mapped_rows._AT_ONCE", block)
    values = VALUES * [1, 10, 0, 1, 1, 1] + [0, 1e4, 5, 0, 0, 0]
    array = map_to(tmp_path / "x", values, np.float64)
    rows = MappedRows(array, CPU)
    scaler = Standardize.from_features(rows)
    single = values.astype(np.float32).astype(np.float64)
    std = single.std(axis=0)
    np.testing.assert_allclose(scaler.mean, single.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scaler.std, np.where(std == 0, 1, std), rtol=1e-6)
    assert is_constant(rows).tolist() == [False, False, True, False, False, False]
    twice = rows.through(lambda batch: 2 * batch)
    np.testing.assert_allclose(twice.std(0, 0), 2 * std, rtol=1e-6, atol=1e-6)


def test_what_is_mapped(tmp_path):
    array = map_to(tmp_path / "x", VALUES)
    assert is_mapped(array)
    assert is_mapped(array[3:20:2, 1:])
    assert is_mapped(array.T)
    assert not is_mapped(array.copy())  # of the same type, but in memory
    assert not is_mapped(np.asarray(array))
    assert not is_mapped(array[0])
    assert not is_mapped(array[:0])
    assert not is_mapped(array.view(np.complex64))
    assert not is_mapped(VALUES.tolist())


def test_rows_read_are_a_copy(tmp_path):
    array = map_to(tmp_path / "x", VALUES, mode="r+")
    rows = read_rows(array[:2])
    rows.zero_()
    assert (array[:2] != 0).all()


def test_blocks_cover_all_rows(monkeypatch):
    monkeypatch.setattr("sklearn_scan.core.rows._BLOCK_ELEMENTS", 20)
    covered = [row for block in row_blocks(11, 6) for row in range(11)[block]]
    assert covered == list(range(11))
    assert [b.stop - b.start for b in row_blocks(3, 50)] == [1, 1, 1]  # wider than all
    assert [*row_blocks(0, 6)] == []


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_rows_that_are_not_finite_are_named(dtype, monkeypatch, tmp_path):
    monkeypatch.setattr("sklearn_scan.core.rows._BLOCK_ELEMENTS", 30)
    values = VALUES.copy()
    check_finite_rows("X", values.astype(dtype))
    values[17, 2] = np.nan
    with pytest.raises(ValueError, match=r"X must be finite; row 17 contains NaN"):
        check_finite_rows("X", map_to(tmp_path / "x", values, dtype))
    values[[3, 9, 20, 21, 22, 30], 4] = np.inf
    values[3, 5] = -np.inf
    with pytest.raises(ValueError, match=r"rows 3, 9, 17, 20, 21 and 2 more contain"):
        check_finite_rows("X", torch.from_numpy(values))


def test_numbers_beyond_single_precision_are_not_finite():
    with pytest.raises(ValueError, match="row 1 contains"):
        check_finite_rows("X", np.array([[1.0], [1e39]]))
    # where only the sum is beyond it, every number is fine
    check_finite_rows("X", np.full((2, 5), 3e38, np.float32))


def test_few_are_all_drawn_and_of_many_some(monkeypatch):
    assert count_drawn(2**16) == count_drawn(10**9) == 2**16
    monkeypatch.setattr("sklearn_scan.core.sampling.MOST_DRAWN", 10)
    assert draw_rows(10, seed=0).tolist() == list(range(10))
    drawn = draw_rows(100, seed=0)
    assert len(set(drawn.tolist())) == 10
    assert (np.diff(drawn) > 0).all()
    assert drawn.tolist() == draw_rows(100, seed=0).tolist()
    assert drawn.tolist() != draw_rows(100, seed=1).tolist()
    few, many = torch.randn(10, 2), torch.randn(100, 2)
    assert draw_sample(few, 0) is few
    assert torch.equal(draw_sample(many, 0), many[drawn])


def test_a_sample_of_mapped_rows_is_in_memory(monkeypatch, tmp_path):
    monkeypatch.setattr("sklearn_scan.core.sampling.MOST_DRAWN", 10)
    rows = MappedRows(map_to(tmp_path / "x", VALUES), CPU)
    expected = VALUES[draw_rows(40, seed=3)].astype(np.float32)
    np.testing.assert_array_equal(draw_sample(rows, 3).numpy(), expected)
