"""Networks, images and states that the tests of pretexts share."""

import random

import numpy as np
import torch
from torch import nn

CPU = {"device": "cpu", "precision": "fp32"}


def mean_net():
    """Return the cheapest network that can be trained."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))


def conv_net():
    """Return a small network with a batch norm, of features that depend on the turn."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


def unchanged(images):
    return images


class Watch(nn.Module):
    """A network that keeps what it is given in training."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen
        self.layer = nn.Linear(3, 4)

    def forward(self, x):
        if self.training:
            self.seen.append(x.detach().clone())
        return self.layer(x.mean((2, 3)))


def make_images(n, size=8, n_channels=3, seed=0):
    shape = (n, size, size, n_channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def global_state():
    """Return the state of every global source of randomness."""
    numpy_state = np.random.get_state()[1]  # noqa: NPY002
    return torch.get_rng_state().tolist(), numpy_state.tolist(), random.getstate()
