"""Parameters as readers see them: short, without secrets and home folders."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator

_MOST_CHARACTERS = 100
_MOST_ITEMS = 6
_HIDDEN = "•••"

_SECRET_NAMES = re.compile(r"token|secret|passw|credential|auth|api_?key", re.I)
_TOKENS = re.compile(r"\b(?:hf|sk|ghp|gho|github_pat|glpat)[_-][\w-]{16,}")
_LOGINS = re.compile(r"(?<=://)[^/\s@]+@")  # user:password@ of an address
_QUERIES = re.compile(r"(?<=[\w/])\?[^\s=]*=\S*")  # of an address, which may be signed
# All but the last part of a path from a root, a drive or a home: where a file lies on a
# machine is private. Other addresses are left as they are.
_FOLDERS = re.compile(
    r"(?:file:|(?<![\w/\\.])(?!(?<=:)//))"
    r"(?:[A-Za-z]:|~\w*)?(?:[\\/]+[^\\/:]+)*[\\/](?=[^\\/])"
)


class Setting(NamedTuple):
    """A parameter of an estimator, and whether it differs from its default."""

    name: str
    value: str
    is_changed: bool


def describe_settings(estimator: BaseEstimator) -> list[Setting]:
    """Describe each parameter of an estimator, the changed ones first."""
    values = estimator.get_params(deep=False)
    known = inspect.signature(type(estimator)).parameters
    settings = []
    for name in [*known, *(set(values) - set(known))]:
        if name in values:
            value = values[name]
            is_default = name in known and _is_same(known[name].default, value)
            settings.append(Setting(name, _describe_named(name, value), not is_default))
    return sorted(settings, key=lambda setting: not setting.is_changed)


def describe_value(value: object) -> str:
    """Describe a parameter's value in a line, without secrets and home folders."""
    text = _describe(value)
    if len(text) > _MOST_CHARACTERS:
        return text[: _MOST_CHARACTERS - 1] + "…"
    return text


def _is_same(default: object, value: object) -> bool:
    # not by ==: arrays compare item by item, and True equals 1
    return type(default) is type(value) and repr(default) == repr(value)


def _describe_named(name: str, value: object) -> str:
    if value is not None and _SECRET_NAMES.search(name):
        return _HIDDEN
    return describe_value(value)


def _describe(value: object) -> str:
    if isinstance(value, str | os.PathLike):
        return _without_secrets(os.fsdecode(value))
    if isinstance(value, BaseEstimator):
        settings = describe_settings(value)
        inside = ", ".join(f"{s.name}={s.value}" for s in settings if s.is_changed)
        return f"{type(value).__name__}({inside})"
    if isinstance(value, Mapping):
        items = [f"{k}: {_describe_named(str(k), v)}" for k, v in value.items()]
        return f"{{{_some(items)}}}"
    if isinstance(value, list | tuple):
        return f"[{_some([_describe(item) for item in value])}]"
    if isinstance(value, np.ndarray | torch.Tensor):
        return f"array of shape {tuple(value.shape)}"
    if value is None or isinstance(
        value, bool | int | float | np.number | torch.device
    ):
        return str(value)
    # anything else by its type: its repr may be of any length, and hold secrets
    return str(getattr(value, "__qualname__", type(value).__name__))


def _some(items: list[str]) -> str:
    shown = items[:_MOST_ITEMS]
    return ", ".join(shown + ["…"] * (len(items) > len(shown)))


def _without_secrets(text: str) -> str:
    text = _LOGINS.sub(f"{_HIDDEN}@", text)
    text = _QUERIES.sub(f"?{_HIDDEN}", text)
    text = _TOKENS.sub(_HIDDEN, text)
    return _FOLDERS.sub("…/", text)
