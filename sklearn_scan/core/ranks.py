"""The processes of a distributed run, such as torchrun starts: one a GPU.

Each of them runs the whole program. What they share goes through `torch.distributed`,
if the program has initialised it. Otherwise there is one process, of rank 0.
"""

from __future__ import annotations

from typing import TypeVar

from torch import distributed

T = TypeVar("T")


def count_ranks() -> int:
    """Return the number of processes."""
    return distributed.get_world_size() if _is_distributed() else 1


def rank() -> int:
    """Return the number of this process, from 0."""
    return distributed.get_rank() if _is_distributed() else 0


def of_first(value: T) -> T:
    """Return the value that the process of rank 0 has, which can be pickled."""
    if count_ranks() == 1:
        return value
    shared = [value]
    distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()
