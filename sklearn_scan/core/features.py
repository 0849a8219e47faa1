"""The features of samples: what flows from an encoder to the heads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.core.mapped_rows import (
    MappedRows,
    Rows,
    is_mapped,
    read_blocks,
    read_rows,
)


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Features:
    """The features of samples, of one encoder or of several side by side."""

    # (n, sum of dims); rows of NaN are images that cannot be read. A memmap, of any
    # number type, is not copied.
    array: NDArray[np.float32]
    dims: tuple[int, ...]  # the columns of each encoder, or of each feature array
    readable: NDArray[np.int64]  # the rows that are not NaN, ascending

    @classmethod
    def of(
        cls, array: NDArray[np.float32], dims: tuple[int, ...] | None = None
    ) -> Self:
        """Return the features of an array, by default of one encoder."""
        readable = np.flatnonzero(~np.isnan(array[:, 0]))
        return cls(array, dims or (array.shape[1],), readable)

    def __len__(self) -> int:
        return len(self.array)

    @property
    def is_mapped(self) -> bool:
        """Whether the array is in a file."""
        return is_mapped(self.array)

    def known(self) -> Features:
        """Return the readable rows alone: a copy, unless they are all."""
        if len(self.readable) == len(self.array):
            return self
        rows = np.arange(len(self.readable))
        return Features(self.array[self.readable], self.dims, rows)

    def centered(self) -> NDArray[np.float32]:
        """Return the features about their mean; rows of NaN stay NaN."""
        centered = np.full(self.array.shape, np.nan, dtype=np.float32)
        known = self.known().array
        floats = known.astype(np.result_type(known.dtype, np.float32))
        blocks = center_blocks(torch.from_numpy(floats), self.dims)
        centered[self.readable] = blocks.numpy()
        return centered

    def weighted(self) -> NDArray[np.float32]:
        """Return the features for scores: several encoders have equal weight."""
        if len(self.dims) == 1:
            return self.array
        return center_blocks(read_rows(self.array), self.dims).numpy()

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield the rows in order, as slices and tensors of float32."""
        return read_blocks(self.array)

    def to(self, device: torch.device) -> Rows:
        """Return the rows for training: a tensor on the device, or rows of the file."""
        if self.is_mapped:
            return MappedRows(self.array, device)
        # torch warns of read-only arrays, and takes no negative strides
        writeable = np.require(self.array, requirements=["C", "W"])
        return torch.from_numpy(writeable).to(device)


def check_dense(tensor: Tensor, name: str) -> None:
    """Raise if a tensor has no values, or leaves some out."""
    if tensor.is_meta or tensor.layout != torch.strided:
        kind = "without values" if tensor.is_meta else f"of layout {tensor.layout}"
        raise TypeError(f"{name} must be dense; got a tensor {kind}.")


def to_numpy(tensor: Tensor, name: str = "X") -> NDArray[np.generic]:
    """Return a dense tensor of any number type and device as an array."""
    check_dense(tensor, name)
    if tensor.dtype == torch.bfloat16:  # which NumPy does not know
        tensor = tensor.float()
    array: NDArray[np.generic] = tensor.detach().cpu().numpy()
    return array


def is_constant(features: Rows) -> Tensor:
    """Return which columns of `features` (n, d) are constant, as bools (d,)."""
    # the deviation of a constant feature is a rounding error
    least = 1e-6 * features.mean(dim=0).abs().clamp_min(1e-6)
    return features.std(dim=0, correction=0) <= least


def center_blocks(features: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return features (n, d) about their mean, with equal weight for each encoder."""
    # Of several encoders, each has rows of length one: cosines between rows are the
    # means of the encoders' cosines, however many features each has and of any scale.
    if len(dims) == 1:
        return features - features.mean(dim=0)
    blocks = []
    for block in torch.split(features, list(dims), dim=1):
        unit = F.normalize(block - block.mean(dim=0), dim=1)
        # rounding errors about the mean have a direction too
        blocks.append(unit.masked_fill(is_constant(block).all(), 0.0))
    return torch.cat(blocks, dim=1)
