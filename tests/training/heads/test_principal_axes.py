"""The directions of the most variance against NumPy's singular vectors."""

import numpy as np
import pytest
import torch

from sklearn_scan.training.heads import MOST_AXES, ClusterHeads, PrincipalAxes


def principal_axes(features, most):
    (axes,) = PrincipalAxes.of(features, (features.shape[1],), most).axes
    return axes


def to_subspace(features):
    subspaces = PrincipalAxes.of(features, (features.shape[1],), MOST_AXES)
    subspaces = subspaces.scaled_to(features)
    return subspaces.project(features), subspaces.axes[0]


def low_rank(n_samples=120, embed_dim=300, rank=10, noise=0.01):
    """Return features that vary in `rank` directions, and little in all others."""
    generator = torch.Generator().manual_seed(0)
    low = torch.randn(n_samples, rank, generator=generator)
    features = low @ torch.randn(rank, embed_dim, generator=generator)
    features += noise * torch.randn(features.shape, generator=generator)
    return features - features.mean(dim=0)


def test_axes_are_singular_vectors():
    features = low_rank()
    axes = principal_axes(features, 10)
    assert axes.shape == (300, 10)
    torch.testing.assert_close(axes.T @ axes, torch.eye(10), rtol=0, atol=1e-5)
    _, _, rows = np.linalg.svd(features.numpy(), full_matrices=False)
    # the same subspace, in whatever signs
    overlap = np.linalg.svd(rows[:10] @ axes.numpy(), compute_uv=False)
    np.testing.assert_allclose(overlap, 1, atol=1e-4)


def test_few_features_stay_as_they_are():
    assert torch.equal(principal_axes(torch.randn(5, 8), 8), torch.eye(8))


def test_no_more_axes_than_samples():
    assert principal_axes(low_rank(n_samples=7), 256).shape == (300, 7)


@pytest.mark.parametrize("embed_dim", [3, 256, 400])
def test_the_subspace_is_features_times_axes_of_mean_square_one(embed_dim):
    features = low_rank(embed_dim=embed_dim)
    inside, axes = to_subspace(7 * features)
    assert inside.shape == (120, min(embed_dim, 120 if embed_dim > 256 else embed_dim))
    torch.testing.assert_close(7 * features @ axes, inside, rtol=1e-4, atol=1e-4)
    assert inside.square().mean().item() == pytest.approx(1, rel=1e-4)


def test_directions_between_samples_are_kept():
    features = low_rank(embed_dim=400)
    inside, _ = to_subspace(features)
    before, after = (torch.nn.functional.normalize(x) for x in (features, inside))
    torch.testing.assert_close(after @ after.T, before @ before.T, rtol=0, atol=1e-3)


@pytest.mark.parametrize("embed_dim", [4, 300])
def test_features_without_variance_are_zero_and_finite(embed_dim):
    inside, axes = to_subspace(torch.zeros(20, embed_dim))
    assert not inside.any()
    assert axes.isfinite().all()


def test_nothing_is_drawn():
    features = low_rank()
    axes = []
    for _ in range(2):
        torch.rand(3)
        axes.append(principal_axes(features, 20))
    assert torch.equal(*axes)


def test_each_of_several_spaces_has_its_own_axes_and_scale():
    features = torch.cat([low_rank(), 50 * low_rank(embed_dim=9)], dim=1)
    subspaces = PrincipalAxes.of(features, (300, 9), 20).scaled_to(features)
    assert subspaces.dims == (20, 9)
    wide, narrow = subspaces.project(features).split([20, 9], dim=1)
    for space in (wide, narrow):
        assert space.square().mean().item() == pytest.approx(1, rel=1e-4)


def test_lifted_heads_see_features_as_heads_saw_the_subspaces():
    features = torch.cat([low_rank(), low_rank(embed_dim=9)], dim=1)
    subspaces = PrincipalAxes.of(features, (300, 9), 20).scaled_to(features)
    make = torch.Generator().manual_seed(0)
    heads = [ClusterHeads(dim, 4, 2, generator=make) for dim in subspaces.dims]
    inside = subspaces.project(features).split([20, 9], dim=1)
    each = [h(space).softmax(dim=2) for h, space in zip(heads, inside, strict=True)]
    lifted = subspaces.lift(heads)(features).softmax(dim=2)
    torch.testing.assert_close(lifted, (each[0] + each[1]) / 2, rtol=1e-3, atol=1e-4)


def test_axes_of_features_wider_than_samples_are_many():
    features = low_rank(embed_dim=20_000)[:30]
    features -= features.mean(dim=0)
    axes = principal_axes(features, 100)
    torch.testing.assert_close(axes.T @ axes, torch.eye(30), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        (features @ axes).norm(), features.norm(), rtol=1e-4, atol=0
    )


def test_axes_of_wide_features_of_many_samples_are_drawn_alike():
    features = low_rank(2_100, embed_dim=2_100)
    state = torch.get_rng_state()
    axes = principal_axes(features, 10)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(principal_axes(features, 10), axes)
    best = torch.linalg.svdvals(features)[:10]
    assert (features @ axes).norm() > 0.99 * best.norm()
