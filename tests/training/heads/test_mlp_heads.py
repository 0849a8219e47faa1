"""TEMI's heads side by side are the heads one by one."""

import pytest
import torch
from heads_helpers import (
    EMBED_DIM,
    N_CLUSTERS,
    N_HEADS,
    make_mlp_heads,
    random_features,
)
from torch import nn
from torch.nn import functional as F

from sklearn_scan.training.heads import MLPHeads


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_all_heads_at_once_equal_each_by_itself(temperature):
    heads, features = make_mlp_heads(temperature=temperature), random_features()
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
    heads = make_mlp_heads()
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
