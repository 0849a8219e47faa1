"""Samples whose value is their index, for the tests of batches and of the loop."""

import torch

from sklearn_scan.training.batches import LabeledAndAll, SingleViews, ViewPairs

N_SAMPLES = 23
CPU = torch.device("cpu")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(n_samples=N_SAMPLES):
    """Return samples whose value is their index."""
    return torch.arange(n_samples, dtype=torch.float32)[:, None]


def numbered_pairs(n_samples=N_SAMPLES, batch_size=5, seed=0, **settings):
    """Return pairs of samples whose value is their index."""
    return ViewPairs(
        numbers(n_samples), batch_size, generator=generator(seed), **settings
    )


def numbered_singles(n_samples=N_SAMPLES, batch_size=5, seed=0, view=torch.clone):
    return SingleViews(
        numbers(n_samples),
        batch_size,
        generator=generator(seed),
        view=view,
        device=CPU,
    )


def numbered_labeled(
    labels, n_samples=N_SAMPLES, batch_size=5, n_labeled=3, seed=0, **settings
):
    """Return batches with labelled samples, whose value is their index."""
    return LabeledAndAll(
        numbers(n_samples),
        labels,
        batch_size,
        n_labeled,
        generator=generator(seed),
        **settings,
    )


def successors():
    return (torch.arange(N_SAMPLES) + 1) % N_SAMPLES
