"""Heads of several spaces: the logarithm of their mean probabilities."""

import pytest
import torch

from sklearn_scan.training.heads import (
    AveragedHeads,
    ClusterHeads,
    Directions,
    Standardize,
    make_scaler,
)

DIMS = (7, 2, 4)


def make_heads(dims=DIMS, n_heads=3):
    generator = torch.Generator().manual_seed(0)
    return AveragedHeads(
        [ClusterHeads(d, 5, n_heads, generator=generator) for d in dims], dims
    )


@pytest.fixture
def features():
    return torch.randn(6, sum(DIMS), generator=torch.Generator().manual_seed(1))


def test_output_is_the_log_of_the_mean(features):
    heads = make_heads()
    spaces = features[:, :7], features[:, 7:9], features[:, 9:]
    expected = torch.zeros(3, 6, 5)
    for each, space in zip(heads.heads, spaces, strict=True):
        expected += each(space).exp() / each(space).exp().sum(dim=2, keepdim=True) / 3
    output = heads(features)
    torch.testing.assert_close(output, expected.log())
    torch.testing.assert_close(output.softmax(dim=2), expected)


def test_confident_heads_that_disagree_stay_finite(features):
    heads = make_heads(dims=(3, 10))
    output = heads(1e4 * features)
    assert output.isfinite().all()
    output.sum().backward()
    assert all(p.grad.isfinite().all() for p in heads.parameters())


def test_select_and_reorder(features):
    heads = make_heads()
    chosen = heads.select(1)
    torch.testing.assert_close(chosen(features)[0], heads(features)[1])
    order = torch.tensor([4, 2, 0, 1, 3])
    before = chosen(features)
    chosen.reorder(order)
    torch.testing.assert_close(chosen(features), before[:, :, order])
    torch.testing.assert_close(heads(features)[1], before[0])  # its own weights


def test_heads_that_do_not_fit_together():
    generator = torch.Generator()
    two, three = (ClusterHeads(4, k, 2, generator=generator) for k in (2, 3))
    with pytest.raises(ValueError, match="as many heads of as many clusters"):
        AveragedHeads([two, three], [4, 4])
    with pytest.raises(ValueError, match="2 heads and 1 dims"):
        AveragedHeads([two, two], [4])


@pytest.mark.parametrize("kind", [Standardize, Directions])
def test_each_space_is_scaled_on_its_own(kind, features):
    scaler = make_scaler(kind.from_features, features, DIMS)
    spaces = features.split(list(DIMS), dim=1)
    expected = [kind.from_features(space)(space) for space in spaces]
    torch.testing.assert_close(scaler(features), torch.cat(expected, dim=1))
    assert scaler.dims == DIMS
