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

# None, bool, int, float, str, Tensor, ndarray; lists, tuples and dicts of these.
Plain = Any

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
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_pack(value, "state", tensors))
    write_tensors(file, tensors, {_TREE: tree})


def write_tensors(
    file: Path, tensors: Mapping[str, Tensor], header: dict[str, str] | None = None
) -> None:
    """Write tensors, which may share memory, and texts in the header to a file.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    apart = _apart(tensors)
    save = partial(safetensors.torch.save_file, apart, file, metadata=header)
    try:
        disk.write_by_name(file, save)
    except safetensors.SafetensorError as error:  # a full disk, for one
        raise OSError(f"{str(file)!r} cannot be written: {error}") from error


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, none of which shares memory with another."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return result


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


def _pack(value: Plain, place: str, tensors: dict[str, Tensor]) -> Any:
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
        return {"tensor": [_keep(value.permute(order).contiguous(), tensors), order]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        native = np.require(value, value.dtype.newbyteorder("="), ["C", "W"])
        return {"array": _keep(torch.from_numpy(native), tensors)}
    raise TypeError(f"{place} must be plain data; got a {type(value).__name__}.")


def _pack_item(
    key: object, value: Plain, place: str, tensors: dict[str, Tensor]
) -> list[Any]:
    if type(key) not in _KEYS:
        raise TypeError(f"{place} must have keys of text or int; got {key!r}.")
    return [key, _pack(value, f"{place}.{key}", tensors)]


def _keep(tensor: Tensor, tensors: dict[str, Tensor]) -> str:
    """Keep a tensor; return its name, which is its number."""
    name = str(len(tensors))
    tensors[name] = tensor
    return name


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
