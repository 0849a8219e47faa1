"""What a fit keeps in its checkpoint, as plain data and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_scan.clusterers.parameters import Parameters
from sklearn_scan.clusterers.reading import Data
from sklearn_scan.core.features import Features
from sklearn_scan.core.plain_data import Plain
from sklearn_scan.core.rows import row_blocks
from sklearn_scan.encoders import Embedded, parameter_facts, version_facts
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.results.persistence import pack_parts, unpack_parts

T = TypeVar("T")


class Form(NamedTuple, Generic[T]):
    """How a result is kept.

    Attributes
    ----------
    pack : callable
        From the result to plain data.
    unpack : callable
        From the plain data to the result.
    """

    pack: Callable[[T], Plain]
    unpack: Callable[[Plain], T]


PARTS: Form[Any] = Form(pack_parts, unpack_parts)  # of records, arrays and modules


def _pack_embedded(embedded: Embedded) -> Plain:
    features, unreadable = embedded
    return {
        "array": features.array,
        "dims": features.dims,
        "unreadable": [tuple(each) for each in unreadable],
    }


def _unpack_embedded(plain: Plain) -> Embedded:
    unreadable = [UnreadableImage(*each) for each in plain["unreadable"]]
    return Embedded(Features.of(plain["array"], plain["dims"]), unreadable)


EMBEDDED = Form(_pack_embedded, _unpack_embedded)


def as_dict(record: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by name, not copied."""
    return {each.name: getattr(record, each.name) for each in fields(record)}


def to_device(value: Any, device: torch.device) -> Any:
    """Return modules and tensors, also those in lists and dicts, on a device."""
    if isinstance(value, Tensor | nn.Module):
        return value.to(device)
    if isinstance(value, dict):
        return {name: to_device(each, device) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(to_device(each, device) for each in value)
    return value


def facts_of(
    clusterer: Parameters, data: Data, neighbors: NeighborGraph | None
) -> dict[str, str]:
    """Return what the result of a fit depends on."""
    facts = parameter_facts(clusterer)
    if isinstance(data, Features):
        facts["X"] = f"{_digest(data.array)} {data.dims}"
    else:
        facts["the number of images"] = str(len(data))
        facts["the set of images"] = data.fingerprint()
    if neighbors is not None:
        arrays = neighbors.indices, neighbors.similarities
        facts["neighbors"] = " ".join(_digest(each) for each in arrays)
    return facts | version_facts()


def _digest(array: NDArray[Any]) -> str:
    """Return a digest of an array (n, d), which may be in a file."""
    digest = hashlib.blake2b(f"{array.shape}{array.dtype}".encode())
    for block in row_blocks(*array.shape):
        digest.update(array[block].tobytes())
    return digest.hexdigest()
