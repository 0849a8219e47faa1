"""Plain data in one file: numbers, texts, lists, dicts, tensors and arrays, no pickle.

The tensors and arrays are those of a safetensors file. What they belong to is the JSON
in its header.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from sklearn_scan.core import disk

Plain = (
    Any  # None, bool, int, float, str, Tensor, ndarray, or list, tuple, dict of such
)

_TREE = "plain data"  # the name of the JSON in the header
# What reading a damaged file raises.
_DAMAGE = (
    safetensors.SafetensorError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_KEYS = (str, int)  # the types of the keys of dicts


def write_plain(file: Path, value: Plain) -> None:
    """Write plain data to a new file.

    Raises
    ------
    TypeError
        If there is something else in it; says where.
    OSError
        If it cannot be written.
    """
    tensors = _Tensors()
    tree = json.dumps(_pack(value, "state", tensors))
    save = partial(
        safetensors.torch.save_file, tensors.by_name, file, metadata={_TREE: tree}
    )
    try:
        disk.write_by_name(file, save)
    except safetensors.SafetensorError as error:  # a full disk, for one
        raise OSError(f"{str(file)!r} cannot be written: {error}") from error


def read_plain(file: Path) -> Plain:
    """Return the plain data of a file.

    Raises
    ------
    ValueError
        If it is damaged, or no such file.
    OSError
        If it cannot be read.
    """
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            tree = json.loads((content.metadata() or {})[_TREE])
            # copies: the file is let go of
            names = content.keys()
            tensors = {name: content.get_tensor(name).clone() for name in names}
        return _unpack(tree, tensors)
    except _DAMAGE as error:
        raise ValueError(f"{file.name} is damaged: {error!r}") from error


class _Tensors:
    """The tensors of a file, by their numbers; none shares memory with another."""

    def __init__(self) -> None:
        self.by_name: dict[str, Tensor] = {}
        self._memory: set[int] = set()

    def keep(self, tensor: Tensor) -> str:
        """Keep a tensor, or a copy where another one shares its memory."""
        place = tensor.untyped_storage().data_ptr()
        name = str(len(self.by_name))
        self.by_name[name] = tensor.clone() if place in self._memory else tensor
        self._memory.add(place)
        return name


def _pack(value: Plain, place: str, tensors: _Tensors) -> Any:
    """Return the JSON of a value, and keep its tensors by their numbers."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        items = [_pack(each, f"{place}.{i}", tensors) for i, each in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, Mapping):
        return {"dict": [_pack_item(*item, place, tensors) for item in value.items()]}
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        order = _order_in_memory(value)
        return {"tensor": [tensors.keep(value.permute(order).contiguous()), order]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        native = np.require(value, value.dtype.newbyteorder("="), ["C", "W"])
        return {"array": tensors.keep(torch.from_numpy(native))}
    raise TypeError(f"{place} must be plain data; got a {type(value).__name__}.")


def _pack_item(key: object, value: Plain, place: str, tensors: _Tensors) -> list[Any]:
    if type(key) not in _KEYS:
        raise TypeError(f"{place} must have keys of text or int; got {key!r}.")
    return [key, _pack(value, f"{place}.{key}", tensors)]


def _order_in_memory(tensor: Tensor) -> list[int]:
    """Return the order of the dimensions in memory, such as that of channels-last.

    It is kept: fused optimisers go wrong where the moments of a weight are in another
    order than the weight.
    """
    strides = tensor.stride()
    order = sorted(range(tensor.ndim), key=lambda dim: -strides[dim])
    is_dense = tensor.permute(order).is_contiguous()
    return order if is_dense else list(range(tensor.ndim))


def _unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Plain:
    """Return the value of a JSON, with its tensors."""
    if isinstance(packed, list):
        return [_unpack(each, tensors) for each in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "float":
        return float(content)
    if kind == "tuple":
        return tuple(_unpack(each, tensors) for each in content)
    if kind == "dict":
        return {key: _unpack(value, tensors) for key, value in content}
    if kind == "tensor":
        place, order = content
        back = [order.index(dim) for dim in range(len(order))]
        return tensors[place].permute(back)
    if kind == "array":
        return tensors[content].numpy()
    raise ValueError(f"it holds a {kind!r}, which is no plain data")
