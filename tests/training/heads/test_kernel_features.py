"""Kernel features: products that are a Gaussian kernel, and odd rows."""

import numpy as np
import pytest
import torch
from heads_helpers import EMBED_DIM, random_features

from sklearn_scan.training.heads import BlockScaler, KernelFeatures, make_scaler


def slow_kernel(features):
    """Return the kernel of rows of length one, about its mean, pair by pair."""
    rows = features.numpy() - features.numpy().mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    squares = np.array([[np.sum((a - b) ** 2) for b in rows] for a in rows])
    near = [np.sort(row)[min(20, len(rows) - 1)] for row in squares]  # from itself
    kernel = np.exp(-squares / (4 * np.sort(near)[(len(near) - 1) // 2]))
    means = kernel.mean(axis=0)
    return kernel - means - means[:, np.newaxis] + kernel.mean()


@pytest.mark.parametrize("n_samples", [7, 60])
def test_products_are_the_kernel_where_all_samples_are_landmarks(n_samples):
    features = 3 + random_features(n_samples).double()
    mapped = KernelFeatures.from_features(features)(features).numpy()
    products, kernel = mapped @ mapped.T, slow_kernel(features)
    kernel *= np.trace(products) / np.trace(kernel)  # a mean square of one
    np.testing.assert_allclose(products, kernel, atol=0.1)


@pytest.mark.parametrize(
    "features",
    [
        random_features(),
        random_features(300, 40),
        random_features(1200, 3),
        random_features(60, 1),
        1e-10 * random_features(),
        1e10 * random_features(),
        torch.cat([torch.ones(60, 3), random_features(60)], dim=1),
    ],
    ids=["few", "many axes", "many", "one feature", "tiny", "huge", "constant columns"],
)
def test_training_rows_have_mean_zero_and_mean_square_one(features):
    scaler = KernelFeatures.from_features(features)
    mapped = scaler(features)
    assert mapped.shape[1] == scaler.dims[0] <= 256
    assert mapped.dtype == torch.float32
    assert mapped.mean(dim=0).abs().max() < 1e-3
    assert mapped.square().mean().item() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("n_features", [1, EMBED_DIM, 300])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("n_samples", [1, 2, 40])
def test_equal_rows_are_finite_and_equal(n_samples, value, n_features):
    features = torch.full((n_samples, n_features), value)
    mapped = KernelFeatures.from_features(features)(features)
    assert mapped.abs().max() < 0.1


@pytest.mark.parametrize("n_features", [6, 64, 768])
def test_where_most_rows_have_equals_the_width_is_of_the_others(n_features):
    """The distance of equal rows is zero but for rounding, which is no width."""
    distinct = random_features(42, n_features)
    features = torch.cat([distinct[:1].repeat(60, 1), distinct])
    scaler = KernelFeatures.from_features(features)
    mapped = scaler(features)
    torch.testing.assert_close(mapped[:61], mapped[:1].expand(61, -1))
    assert 1 < scaler.width < 16  # of squared distances of up to 4, times 4


def test_a_row_does_not_depend_on_its_batch():
    features = random_features(50)
    scaler = KernelFeatures.from_features(features)
    alone = torch.cat([scaler(row) for row in features.split(1)])
    torch.testing.assert_close(alone, scaler(features), rtol=0, atol=1e-3)


def test_many_samples_are_mapped_by_some_alike(monkeypatch):
    module = "sklearn_scan.training.heads._kernel_features"
    monkeypatch.setattr(f"{module}._MOST_LANDMARKS", 30)
    monkeypatch.setattr(f"{module}._MOST_SAMPLES", 100)
    features = random_features(200)
    state = torch.get_rng_state()
    first, again = (KernelFeatures.from_features(features) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert len(first.landmarks) == 30
    assert torch.equal(first(features), again(features))
    assert first(features).square().mean().item() == pytest.approx(1, rel=0.2)


def test_statistics_are_kept_with_the_module():
    features = random_features()
    scaler = KernelFeatures.from_features(features)
    other = KernelFeatures(*(torch.zeros_like(each) for each in scaler.buffers()))
    other.load_state_dict(scaler.state_dict())
    assert torch.equal(other(features), scaler(features))
    assert not [*scaler.parameters()]


def test_each_encoder_has_a_map_of_its_own():
    spaces = random_features(30), 100 * random_features(30, 9), torch.ones(30, 2)
    with pytest.warns(UserWarning, match=r"X\[2\], are the same"):
        scaler = make_scaler(
            KernelFeatures.from_features, torch.cat(spaces, dim=1), (EMBED_DIM, 9, 2)
        )
    assert isinstance(scaler, BlockScaler)
    each = [KernelFeatures.from_features(space)(space) for space in spaces[:2]]
    assert scaler.dims == tuple(space.shape[1] for space in each)
    mapped = scaler(torch.cat(spaces, dim=1)).split(scaler.dims, dim=1)
    for found, expected in zip(mapped, each, strict=True):
        torch.testing.assert_close(found, expected)
