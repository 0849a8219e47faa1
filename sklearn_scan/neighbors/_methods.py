"""The choice of a search method, and the memory that it needs."""

from __future__ import annotations

from importlib.util import find_spec

import psutil
import torch

from sklearn_scan.exceptions import OutOfMemoryError

APPROXIMATE = ("ivf_flat", "ivf_sq8")
METHODS = ("auto", "exact", "flat", *APPROXIMATE)

# Multiplications of an exact search that takes about a minute on two cores, and on a
# large GPU. Larger searches are approximate.
_EXACT_ON_CPU, _EXACT_ON_GPU = 5e12, 1e15
# The largest index of whole vectors, as a share of the free memory. An index of eight
# bits a number takes a quarter of it, is about as fast, and finds as many neighbours.
_SHARE_OF_INDEX = 0.02
# Bytes of a number in an index; of a neighbour, during the search and in the graph; and
# of a sample besides.
_OF_NUMBER = {"ivf_flat": 4, "ivf_sq8": 1}
_OF_NEIGHBOR, _OF_SAMPLE = 24, 64
_LEAST_WIDTH = 64  # a similarity takes the time of this many multiplications at least


def choose_method(n_samples: int, dim: int, device: torch.device) -> str:
    """Return the method that "auto" stands for."""
    limit = _EXACT_ON_GPU if device.type == "cuda" else _EXACT_ON_CPU
    cost = float(n_samples) ** 2 * max(dim, _LEAST_WIDTH)
    if cost <= limit or find_spec("faiss") is None:
        return "exact"
    is_small = 4 * n_samples * dim <= _SHARE_OF_INDEX * free_memory()
    return "ivf_flat" if is_small else "ivf_sq8"


def check_faiss(method: str) -> None:
    """Raise if a method needs faiss, which is not installed."""
    if method in ("flat", *APPROXIMATE) and find_spec("faiss") is None:
        raise ImportError(
            f"method={method!r} is faiss's, which is not installed: pip install "
            "faiss-cpu, or choose 'exact'."
        )


def check_memory(
    method: str, n_samples: int, dim: int, n_neighbors: int, device: torch.device
) -> None:
    """Raise if a search needs more memory than is free."""
    of_sample = _OF_NEIGHBOR * n_neighbors + _OF_SAMPLE
    needed = n_samples * (of_sample + _OF_NUMBER.get(method, 0) * dim)
    free = free_memory(device)
    if needed <= free:
        return
    advice = {
        "ivf_flat": "method='ivf_sq8', whose index is a quarter as large, ",
        "ivf_sq8": "method='exact', which takes longer and has no index, ",
    }.get(method, "")
    if device.type == "cuda":
        advice = "device='cpu', "
    raise OutOfMemoryError(
        f"Finding {n_neighbors} neighbours of {n_samples:,} samples of {dim} features "
        f"by {method!r} needs about {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are "
        f"free: choose {advice}fewer neighbours, or fewer samples to find clusters in."
    )


def free_memory(device: torch.device | str = "cpu") -> int:
    """Return the free memory of a GPU or of the machine, in bytes."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
