"""Heads side by side are the heads one by one."""

import pytest
import torch
from heads_helpers import (
    EMBED_DIM,
    N_CLUSTERS,
    N_HEADS,
    make_linear_heads,
    random_features,
)
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F

from sklearn_scan.training.heads import ClusterHeads, Directions, Standardize


def test_all_heads_at_once_equal_each_by_itself():
    heads, features = make_linear_heads(), random_features()
    weights = heads.weight.view(N_HEADS, N_CLUSTERS, EMBED_DIM)
    biases = heads.bias.view(N_HEADS, N_CLUSTERS)
    logits = heads(features)
    assert logits.shape == (N_HEADS, len(features), N_CLUSTERS)
    for head in range(N_HEADS):
        expected = F.linear(features, weights[head], biases[head])
        torch.testing.assert_close(logits[head], expected)


def test_a_head_learns_nothing_from_the_loss_of_another():
    heads = make_linear_heads()
    heads(random_features())[1].square().sum().backward()
    gradient = heads.weight.grad.view(N_HEADS, N_CLUSTERS, EMBED_DIM)
    assert gradient.flatten(1).any(dim=1).tolist() == [False, True, False]


def test_first_weights_have_variance_one_over_embed_dim():
    generator = torch.Generator().manual_seed(0)
    heads = ClusterHeads(400, n_clusters=10, n_heads=5, generator=generator)
    assert heads.weight.var().item() == pytest.approx(1 / 400, rel=0.05)
    assert heads.bias.count_nonzero() == 0


def test_standardize_equals_scikit_learns():
    features = 3 * random_features(50) + 7
    # scikit-learn, too, leaves the scale of a constant feature
    features[:, 1] = 0.1
    features[:, 2] = 0.0
    features[:, 3] *= 1e-6
    ours = Standardize.from_features(features)(features)
    expected = StandardScaler().fit_transform(features.double().numpy())
    torch.testing.assert_close(
        ours.double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("value", [0.0, 0.1, -1e-3, 1e4 / 3])
@pytest.mark.parametrize("n_samples", [1, 3, 100_001])
def test_a_constant_feature_becomes_zero(value, n_samples):
    features = torch.full((n_samples, 2), value)
    scaler = Standardize.from_features(features)
    assert scaler.std.tolist() == [1, 1]
    assert scaler(features).abs().max() <= 1e-6 * abs(value)


def test_standardize_keeps_its_statistics_with_the_module():
    features = random_features()
    scaler = Standardize.from_features(features)
    other = Standardize(torch.zeros(EMBED_DIM), torch.ones(EMBED_DIM))
    other.load_state_dict(scaler.state_dict())
    assert torch.equal(other(features), scaler(features))
    assert not list(scaler.parameters())


def test_directions_keep_angles_about_the_mean_alone():
    features = random_features(50) * torch.logspace(0, 2, EMBED_DIM) + 7
    scaler = Directions.from_features(features)
    directions = scaler(features)
    centered = features - features.mean(dim=0)
    torch.testing.assert_close(
        F.cosine_similarity(directions, centered), torch.ones(50)
    )
    lengths = directions.norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((50,), EMBED_DIM**0.5))
    assert not scaler(features.mean(dim=0, keepdim=True)).any()


def test_directions_keep_their_mean_with_the_module():
    features = random_features() + 3
    scaler, other = Directions.from_features(features), Directions(torch.zeros(5))
    other.load_state_dict(scaler.state_dict())
    assert torch.equal(other(features), scaler(features))
