"""The key of an encoder: all that decides what it makes of an image."""

from __future__ import annotations

import inspect
from hashlib import blake2b
from types import CodeType

import torch
from torch import nn

# Part of every key: raise it when the meaning of what is stored changes.
_FORMAT = "2"


def fingerprint(module: nn.Module, *settings: str) -> str:
    """Return a key of all that decides an embedding: weights, layout and settings."""
    digest = blake2b(digest_size=16)
    for text in (_FORMAT, str(module), *settings):
        digest.update(text.encode())
    for name, part in module.named_modules():
        # What a forward pass may read besides weights, such as the kind of a pooling.
        plain = {key: value for key, value in vars(part).items() if _is_plain(value)}
        digest.update(f"{name}{sorted(plain.items())}".encode())
        # ... and what it does: a forward pass edited in a notebook is another encoder.
        functions = [
            type(part).forward,
            *filter(inspect.isfunction, vars(part).values()),
        ]
        digest.update("".join(map(_describe_code, functions)).encode())
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        # as bytes, since NumPy has no bfloat16
        digest.update(value.detach().cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _describe_code(function: object) -> str:
    """Return the instructions of a function, its constants and what it closes over."""
    code = getattr(function, "__code__", function)
    if not isinstance(code, CodeType):
        return ""
    constants = [_describe_code(c) or repr(c) for c in code.co_consts]
    cells = [c.cell_contents for c in getattr(function, "__closure__", None) or ()]
    closed_over = [_describe_code(cell) or repr(cell) for cell in cells]
    return f"{code.co_code.hex()}{code.co_names}{constants}{closed_over}"


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)
