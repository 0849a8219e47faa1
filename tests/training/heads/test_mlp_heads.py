"""TEMI's heads side by side are the heads one by one."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sklearn_scan.training.heads import MLPHeads

N_HEADS, N_CLUSTERS, EMBED_DIM = 3, 4, 5


def make_heads(n_heads=N_HEADS, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    heads = MLPHeads(EMBED_DIM, N_CLUSTERS, n_heads, generator=generator, **settings)
    with torch.no_grad():
        for bias in heads.biases():
            bias.copy_(torch.randn(bias.shape, generator=generator))
    return heads


def random_features(n_samples=20, n_features=EMBED_DIM):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_samples, n_features, generator=generator)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_all_heads_at_once_equal_each_by_itself(temperature):
    heads, features = make_heads(temperature=temperature), random_features()
    logits = heads(features)
    assert logits.shape == (N_HEADS, len(features), N_CLUSTERS)
    for head in range(N_HEADS):
        hidden = nn.Linear(EMBED_DIM, 512)
        projection = nn.Linear(512, 256)
        network = nn.Sequential(hidden, nn.GELU(), projection)
        hidden.load_state_dict(
            {"weight": heads.hidden_weight[head], "bias": heads.hidden_bias[head]}
        )
        projection.load_state_dict(
            {
                "weight": heads.projection_weight[head],
                "bias": heads.projection_bias[head],
            }
        )
        cosines = F.cosine_similarity(
            network(features)[:, None], heads.prototypes[head][None], dim=2
        )
        torch.testing.assert_close(logits[head], cosines / temperature)


def test_a_head_learns_nothing_from_the_loss_of_another():
    heads = make_heads()
    heads(random_features())[1].square().sum().backward()
    for parameter in heads.parameters():
        moved = parameter.grad.flatten(1).any(dim=1)
        assert moved.tolist() == [False, True, False]


def test_first_weights_have_a_deviation_of_a_fiftieth():
    heads = MLPHeads(400, 10, 5, generator=torch.Generator().manual_seed(0))
    for weight in heads.weights():
        assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not any(bias.any() for bias in heads.biases())
    n_parameters = len([*heads.weights(), *heads.biases()])
    assert n_parameters == len([*heads.parameters()])


def test_one_seed_gives_the_same_first_weights():
    first, again, other = make_heads(seed=1), make_heads(seed=1), make_heads(seed=2)
    assert torch.equal(first.prototypes, again.prototypes)
    assert torch.equal(first.hidden_weight, again.hidden_weight)
    assert not torch.equal(first.prototypes, other.prototypes)


@pytest.mark.parametrize("head", range(N_HEADS))
def test_select_returns_one_head_with_weights_of_its_own(head):
    heads, features = make_heads(temperature=0.3), random_features()
    before = heads(features)
    chosen = heads.select(head)
    torch.testing.assert_close(chosen(features)[0], before[head])
    chosen(features).square().sum().backward()
    torch.optim.SGD(chosen.parameters(), 1.0).step()
    assert not torch.allclose(chosen(features)[0], before[head])
    assert torch.equal(heads(features), before)


def test_reorder_renumbers_the_clusters():
    head, features = make_heads(n_heads=1), random_features()
    before = head(features)
    order = torch.tensor([2, 0, 3, 1])
    head.reorder(order)
    torch.testing.assert_close(head(features), before[..., order])


def test_heads_behind_a_projection_see_through_it():
    heads, features = make_heads(), random_features(n_features=9)
    projection = torch.randn(9, EMBED_DIM)
    before = heads.hidden_weight.clone()
    torch.testing.assert_close(
        heads.fold_map(projection)(features), heads(features @ projection)
    )
    assert torch.equal(heads.hidden_weight, before)
