"""Heads with random biases, and features for them."""

import torch

from sklearn_scan.training.heads import ClusterHeads

N_HEADS, N_CLUSTERS, EMBED_DIM = 3, 4, 5


def random_features(n_samples=20, n_features=EMBED_DIM):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_samples, n_features, generator=generator)


def make_linear_heads(n_heads=N_HEADS, seed=0):
    generator = torch.Generator().manual_seed(seed)
    heads = ClusterHeads(EMBED_DIM, N_CLUSTERS, n_heads, generator=generator)
    with torch.no_grad():
        heads.bias.copy_(torch.randn(heads.bias.shape, generator=generator))
    return heads
