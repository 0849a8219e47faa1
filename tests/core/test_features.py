"""Features: rows that cannot be read, several encoders, and what is centred."""

import numpy as np
import pytest
import torch

from sklearn_scan.core.features import Features, center_blocks

DIMS = (7, 2, 4)


@pytest.fixture
def array():
    return np.random.default_rng(1).normal(size=(6, sum(DIMS))).astype(np.float32)


def test_rows_of_nan_are_not_known(array):
    array[[1, 4]] = np.nan
    features = Features.of(array, DIMS)
    assert features.readable.tolist() == [0, 2, 3, 5]
    known = features.known()
    assert known.dims == DIMS
    np.testing.assert_array_equal(known.array, array[[0, 2, 3, 5]])
    assert known.readable.tolist() == [0, 1, 2, 3]
    assert known.known() is known


def test_encoders_weigh_the_same(array):
    features = torch.from_numpy(array)
    scaled = features * torch.tensor([1.0] * 7 + [1e3] * 2 + [1e-3] * 4)
    torch.testing.assert_close(
        center_blocks(scaled, DIMS), center_blocks(features, DIMS)
    )


@pytest.mark.parametrize("dtype", [np.float16, ">f4", "u1"])
def test_any_number_type_is_centred(dtype):
    array = np.random.default_rng(0).uniform(0, 200, (50, 4)).astype(dtype)
    expected = array.astype(float) - array.astype(float).mean(axis=0)
    centered = Features.of(array).centered()
    assert centered.dtype == np.float32
    np.testing.assert_allclose(centered, expected, rtol=0, atol=1e-4)


def test_unreadable_rows_stay_so_when_centred(array):
    array[2] = np.nan
    centered = Features.of(array).centered()
    assert np.isnan(centered[2]).all()
    np.testing.assert_allclose(np.nanmean(centered, axis=0), 0, atol=1e-6)


def test_blocks_cover_a_file_in_order(array, tmp_path):
    np.save(tmp_path / "features.npy", array)
    mapped = Features.of(np.load(tmp_path / "features.npy", mmap_mode="r"))
    assert mapped.is_mapped
    rows = torch.cat([block for _, block in mapped.blocks()])
    np.testing.assert_array_equal(rows.numpy(), array)
