"""The selection of the nearest, against a slow reference."""

import numpy as np
import pytest
import torch

from sklearn_scan.neighbors._top_k import GROUP, largest, merge


def reference(similarities, indices, k):
    """Sort all by similarity, and equal ones by index."""
    rows = [
        sorted(zip(-row, of_row, strict=True))[:k]
        for row, of_row in zip(similarities, indices, strict=True)
    ]
    values, chosen = zip(*(zip(*row, strict=True) for row in rows), strict=True)
    return -np.array(values), np.array(chosen)


def with_ties(shape, n_values, seed=0):
    rng = np.random.default_rng(seed)
    values = np.linspace(-1, 1, n_values, dtype=np.float32)
    values[0] = -np.inf
    return torch.from_numpy(rng.choice(values, size=shape))


def assert_same(found, places, expected, chosen):
    np.testing.assert_array_equal(found, expected)
    known = np.isfinite(expected)  # -inf stands for nobody, who may be anybody
    np.testing.assert_array_equal(places.numpy()[known], chosen[known])


@pytest.mark.parametrize("n_values", [2, 5, 1000, 10**6])
@pytest.mark.parametrize("k", [1, 4, 9])
@pytest.mark.parametrize("n_columns", [9, 60, 10 * GROUP + 3, 40 * GROUP])
def test_largest(n_columns, k, n_values):
    similarities = with_ties((17, n_columns), n_values)
    found, places = largest(similarities, k)
    columns = np.broadcast_to(np.arange(n_columns), similarities.shape)
    expected, chosen = reference(similarities.numpy(), columns, k)
    assert_same(found, places, expected, chosen)


@pytest.mark.parametrize("n_values", [2, 5, 10**6])
@pytest.mark.parametrize("k", [1, 6, 14])
def test_merge(k, n_values):
    """In whichever order findings come."""
    similarities = with_ties((30, 14), n_values)
    rng = np.random.default_rng(1)
    indices = torch.from_numpy(rng.permuted(np.tile(np.arange(14), (30, 1)), axis=1))
    halves = [(similarities[:, s], indices[:, s]) for s in (slice(8), slice(8, 14))]
    expected, chosen = reference(similarities.numpy(), indices.numpy(), k)
    for pair in (halves, halves[::-1]):
        found, taken = merge(*pair, k)
        assert_same(found, taken, expected, chosen)


def test_small_and_large_numbers_hardly_apart():
    """The place of equal numbers decides nothing of others."""
    for scale in (1e-30, 1e30):
        numbers = scale * (torch.arange(400) % 100).double().unsqueeze(0)
        for similarities in (numbers, numbers.float()):
            found, places = largest(similarities, 6)
            expected = scale * np.array([[99, 99, 99, 99, 98, 98]])
            np.testing.assert_allclose(found, expected, rtol=1e-6)
            assert places.tolist() == [[99, 199, 299, 399, 98, 198]]
