"""What linear heads do as heads."""

import pytest
import torch
from heads_helpers import (
    EMBED_DIM,
    N_CLUSTERS,
    N_HEADS,
    make_linear_heads,
    random_features,
)


@pytest.mark.parametrize("head", range(N_HEADS))
def test_select_returns_one_head_with_weights_of_its_own(head):
    heads, features = make_linear_heads(), random_features()
    before = heads(features)
    chosen = heads.select(head)
    assert chosen(features).shape == (1, len(features), N_CLUSTERS)
    torch.testing.assert_close(chosen(features)[0], before[head])
    chosen(features).square().sum().backward()
    torch.optim.SGD(chosen.parameters(), 1.0).step()
    assert not torch.allclose(chosen(features)[0], before[head])
    assert torch.equal(heads(features), before)


def test_reorder_renumbers_the_clusters():
    head, features = make_linear_heads(n_heads=1), random_features()
    before = head(features)
    order = torch.tensor([2, 0, 3, 1])
    head.reorder(order)
    torch.testing.assert_close(head(features), before[..., order])


def test_one_seed_gives_the_same_initial_weights():
    first, again, other = (
        list(make_linear_heads(seed=s).parameters()) for s in (1, 1, 2)
    )
    assert all(map(torch.equal, first, again))
    assert not any(map(torch.equal, first, other))


def test_a_folded_map_is_part_of_the_heads():
    heads, features = make_linear_heads(), random_features(n_features=9)
    projection = torch.randn(9, EMBED_DIM)
    before = [weight.clone() for weight in heads.parameters()]
    torch.testing.assert_close(
        heads.fold_map(projection)(features), heads(features @ projection)
    )
    assert all(map(torch.equal, heads.parameters(), before))
