"""Random numbers: seeds, and torch's generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

RandomState = int | np.random.RandomState | None


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator on `device` that starts at `seed`."""
    return torch.Generator(device).manual_seed(seed)


@contextmanager
def isolated_rng(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators inside the block, and restore them after it."""
    device = torch.device(device)
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            # torch.manual_seed would seed the devices too
            torch.default_generator.manual_seed(seed)
            yield
        return
    if device.type == "cuda":
        torch.cuda.current_device()  # starts CUDA: before, there is no state to fork
    with torch.random.fork_rng(devices=[device], device_type=device.type):
        torch.manual_seed(seed)
        yield
