"""Heads of both kinds with random biases, and features for them."""

import torch

from sklearn_scan.training.heads import ClusterHeads, MLPHeads

N_HEADS, N_CLUSTERS, EMBED_DIM = 3, 4, 5


def random_features(n_samples=20, n_features=EMBED_DIM):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_samples, n_features, generator=generator)


def make_linear_heads(n_heads=N_HEADS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    heads = ClusterHeads(EMBED_DIM, N_CLUSTERS, n_heads, generator=generator)
    return draw_biases(heads, [heads.bias], generator)


def make_mlp_heads(n_heads=N_HEADS, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    heads = MLPHeads(EMBED_DIM, N_CLUSTERS, n_heads, generator=generator, **settings)
    return draw_biases(heads, heads.biases(), generator)


@torch.no_grad()
def draw_biases(heads, biases, generator):
    for bias in biases:
        bias.copy_(torch.randn(bias.shape, generator=generator))
    return heads
