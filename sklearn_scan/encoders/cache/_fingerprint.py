"""The key of an encoder: a digest of its weights, code and settings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib.metadata import version
from types import CodeType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# Part of every key: raise it when the meaning of what is stored changes.
_FORMAT = "3"
# Libraries whose code is told by their versions.
_KNOWN = ("torch", "timm")
_DEEPEST = 8  # level of parts that is described: deeper ones may be endless
# What nn.Module keeps for itself; parameters and buffers are told one by one.
_MODULE_STATE = frozenset(vars(nn.Module())) - {"training"}


def fingerprint(module: nn.Module, *settings: str) -> str:
    """Return a digest of all that decides an embedding: weights, code, settings."""
    digest = blake2b(digest_size=16)
    for text in (_FORMAT, str(module), *settings, *map(version, _KNOWN)):
        digest.update(text.encode())
    for name, part in module.named_modules():
        # What a forward pass may read besides weights, such as the kind of a pooling;
        own = {k: v for k, v in vars(part).items() if k not in _MODULE_STATE}
        hooks = [*part._forward_pre_hooks.values(), *part._forward_hooks.values()]
        digest.update(f"{name}{_describe([own, hooks])}".encode())
        # and what it does: a forward pass edited in a notebook is another encoder.
        digest.update("".join(_code_of(type(part))).encode())
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        digest.update(f"{name}{_describe(value)}".encode())
    return digest.hexdigest()


def _code_of(kind: type) -> Iterator[str]:
    """Yield the code of a module's class and of those it inherits from."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] not in (*_KNOWN, "builtins"):
            for name, value in sorted(vars(base).items()):
                function = inspect.unwrap(getattr(value, "__func__", value))
                if inspect.isfunction(function):
                    yield f"{name}{_describe(function)}"


def _describe(value: object, depth: int = 0) -> str:
    """Return a text that is the same in every process for what computes the same."""
    if isinstance(value, Tensor):
        # as bytes, since NumPy has no bfloat16
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        return f"{value.dtype}{tuple(value.shape)}{_hash(content.numpy())}"
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}{_hash(np.ascontiguousarray(value))}"
    if value is None or isinstance(
        value, str | bytes | int | float | complex | torch.dtype | torch.device
    ):
        return repr(value)
    parts = _parts(value)
    if parts is None or depth == _DEEPEST:
        return type(value).__qualname__  # a repr may hold an address
    texts = [_describe(part, depth + 1) for part in parts]
    if isinstance(value, set | frozenset):
        texts.sort()
    return f"{type(value).__qualname__}{texts}"


def _parts(value: object) -> list[object] | None:
    """Return the parts of a value; None if they are not known."""
    if isinstance(value, Mapping):
        return [part for key in sorted(value, key=str) for part in (key, value[key])]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if inspect.ismethod(value):
        return [value.__func__]
    if inspect.isfunction(value):
        closed_over = inspect.getclosurevars(value).nonlocals
        return [value.__code__, value.__defaults__, closed_over]
    if isinstance(value, CodeType):
        return [value.co_code, value.co_names, value.co_consts]
    if isinstance(value, nn.Module | type) or not hasattr(value, "__dict__"):
        return None  # a module within another is told of by itself
    return [vars(value)]


def _hash(content: NDArray[np.generic]) -> str:
    return blake2b(content.data, digest_size=16).hexdigest()
