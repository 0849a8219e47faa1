"""Warnings that name the line of the user's code."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

# Between the user and a warning stand the package, and what calls it for the user:
# scikit-learn's searches and wrappers, and decorators.
_PASSED_OVER = {"contextlib", "joblib", "sklearn", "sklearn_scan", "torch"}


# What is noted of the warnings in a block of `noting_warnings`.
Noted = list[tuple[str, type[Warning]]]
_noted: ContextVar[Noted | None] = ContextVar("noted", default=None)


@contextmanager
def noting_warnings() -> Iterator[Noted]:
    """Note the warnings of the package in the block, beside giving them."""
    around, noted = _noted.get(), Noted()
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)
        if around is not None:
            around += noted


def warn(message: str, category: type[Warning], *, again: bool = True) -> None:
    """Warn, and name the line of code that called the package.

    With `again`, a fit that goes on after a kill gives the warning again.
    """
    if again and (noted := _noted.get()) is not None:
        noted.append((str(message), category))
    level, frame = 1, inspect.currentframe()
    while frame is not None and _is_passed_over(frame):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_passed_over(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__"))
    return module.partition(".")[0] in _PASSED_OVER
