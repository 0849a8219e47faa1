"""Different operations for each image of a batch, without a loop over the images.

In each round, the images are sorted so that those of one operation are side by side,
and changed in place. Their order is restored at the end. So a round moves every image
once, and each operation works on a part of the batch that fits the caches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_scan.core.sending import send

# From images and an argument for each to the resulting images; it may write to the
# images it is given.
Operation = Callable[[Tensor, Tensor], Tensor]


class Part(NamedTuple):
    """An operation, and its images in one round."""

    operation: Operation
    members: Tensor  # the numbers of the images (m,), on the CPU
    arguments: Tensor  # the argument of each image (m, ...), on the CPU


def make_round(
    operations: Sequence[Operation], choices: Tensor, arguments: Tensor
) -> list[Part]:
    """Return the parts of a round, from the operation of each image."""
    counts = torch.bincount(choices, minlength=len(operations))
    sizes = counts[: len(operations)].tolist()
    members = choices.argsort()[: sum(sizes)]
    pieces = torch.split(members, sizes), torch.split(arguments[members], sizes)
    return [Part(*part) for part in zip(operations, *pieces, strict=True)]


def apply_rounds(images: Tensor, rounds: Sequence[Sequence[Part]]) -> Tensor:
    """Return the images after all rounds, without changing those given.

    An image is in at most one part of a round.
    """
    rounds = [[part for part in parts if len(part.members)] for parts in rounds]
    layouts = torch.from_numpy(np.stack(list(_layouts(rounds, len(images)))))
    layouts = send(layouts, images.device)
    arguments = iter(_move(list(chain.from_iterable(rounds)), images))
    views = images.index_select(0, layouts[0]).contiguous()
    spare = torch.empty_like(views) if rounds else views
    for parts, layout in zip(rounds, layouts[1:], strict=True):
        start = 0
        for part in parts:
            block = views.narrow(0, start, len(part.members))
            result = part.operation(block, next(arguments))
            if result is not block:
                block.copy_(result)
            start += len(part.members)
        # into existing memory: to allocate new memory takes longer than to fill it
        views, spare = torch.index_select(views, 0, layout, out=spare), views
    return views


def _layouts(
    rounds: Sequence[Sequence[Part]], n_images: int
) -> Iterator[NDArray[np.int64]]:
    """Yield, for each round and the end, the places of images in the layout before."""
    # by NumPy, whose calls take a tenth of the time of torch's on some hundred numbers
    places = np.arange(n_images)
    for parts in rounds:
        members = [part.members.numpy() for part in parts]
        rest = np.ones(n_images, dtype=bool)
        for each in members:
            rest[each] = False
        order = np.concatenate([*members, rest.nonzero()[0]])
        yield places[order]
        places = np.empty_like(order)
        places[order] = np.arange(n_images)
    yield places


def _move(parts: list[Part], images: Tensor) -> Iterator[Tensor]:
    """Yield the parts' arguments, moved to the images' device in one copy."""
    if not parts:
        return
    together = torch.cat([part.arguments.flatten() for part in parts])
    together = send(together, images.device, images.dtype)
    pieces = torch.split(together, [part.arguments.numel() for part in parts])
    for piece, part in zip(pieces, parts, strict=True):
        yield piece.view(part.arguments.shape)
