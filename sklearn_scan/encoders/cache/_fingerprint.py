"""The key of an encoder: a digest of its weights, code and settings."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from importlib.metadata import version
from types import CodeType, FunctionType, MethodType
from typing import Any

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
        for function_name, function in _functions_of(type(part)):
            digest.update(f"{function_name}{_describe(function)}".encode())
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        digest.update(f"{name}{_describe(value)}".encode())
    return digest.hexdigest()


def digest(*parts: object) -> str:
    """Return a digest of values, the same in every process for equal ones.

    Parameters
    ----------
    *parts : object
        Texts, numbers, arrays, tensors, functions, and objects made of them.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> len(digest("a", 1))
    64
    >>> digest("a", 1) == digest("a", 2)
    False
    """
    content = blake2b(digest_size=32)
    for part in parts:
        content.update(_describe(part).encode())
    return content.hexdigest()


def _functions_of(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """Yield the functions of a class and of those it inherits from, by name."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] not in (*_KNOWN, "builtins"):
            for name, value in sorted(vars(base).items()):
                function = inspect.unwrap(getattr(value, "__func__", value))
                if inspect.isfunction(function):
                    yield name, function


def _describe(value: object, depth: int = 0) -> str:
    """Return a text that is the same in every process for what computes the same."""
    if isinstance(value, Tensor):
        # as bytes, since NumPy has no bfloat16
        content = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        return f"{value.dtype}{tuple(value.shape)}{_hash(content.numpy())}"
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{value.dtype}{value.shape}{_hash(np.ascontiguousarray(value))}"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
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
    for kind, take_apart in _TAKE_APART:
        if isinstance(value, kind):
            return take_apart(value)
    own = {**getattr(value, "__dict__", {}), **_slots(value)}
    return [own] if own else None


def _parts_of_mapping(value: Mapping[Any, object]) -> list[object]:
    return [part for key in sorted(value, key=str) for part in (key, value[key])]


def _parts_of_function(value: FunctionType) -> list[object]:
    closed_over = dict(inspect.getclosurevars(value).nonlocals)
    closed_over.pop("__class__", None)  # of methods: it holds them
    return [value.__code__, value.__defaults__, value.__kwdefaults__, closed_over]


def _parts_of_class(value: type) -> list[object]:
    codes = [function.__code__ for _, function in _functions_of(value)]
    return [value.__qualname__, codes]


_TakeApart = Callable[[Any], list[object] | None]
_TAKE_APART: tuple[tuple[type | tuple[type, ...], _TakeApart], ...] = (
    (Mapping, _parts_of_mapping),
    ((list, tuple, set, frozenset), list),
    (range, lambda value: [value.start, value.stop, value.step]),
    (functools.partial, lambda value: [value.func, value.args, value.keywords]),
    (MethodType, lambda value: [value.__func__, value.__self__]),
    (FunctionType, _parts_of_function),
    (CodeType, lambda value: [value.co_code, value.co_names, value.co_consts]),
    (type, _parts_of_class),
    (nn.Module, lambda _: None),  # one within another is told of by itself
)


def _slots(value: object) -> dict[str, object]:
    """Return the attributes of an object that are in slots, and not in a dict."""
    names = [
        name
        for base in type(value).__mro__
        for name in getattr(base, "__slots__", ())
        if name != "__weakref__"
    ]
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _hash(content: NDArray[np.generic]) -> str:
    return blake2b(content.data, digest_size=16).hexdigest()
