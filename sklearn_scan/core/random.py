"""Random numbers: seeds, and torch's generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["RandomState", "isolated_rng", "make_generator"]

RandomState = int | np.random.RandomState | None


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator on `device` that starts at `seed`."""
    return torch.Generator(device).manual_seed(seed)


@contextmanager
def isolated_rng(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch's global generators inside the block and put them back after it.

    For code we do not write (a backbone's initialisation, its dropout), which draws
    from the global state: it becomes reproducible and leaves the user's state alone.

    Parameters
    ----------
    seed : int
        What the CPU's generator, and that of `device`, start from.
    device : torch.device or str, default="cpu"
        Where the code computes.
    """
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
