"""Warnings that name the line of the user's code."""

from __future__ import annotations

import inspect
import warnings

# Between the user and a warning stand the package, and what calls it for the user:
# scikit-learn's searches and wrappers, and decorators.
_PASSED_OVER = {"contextlib", "joblib", "sklearn", "sklearn_scan", "torch"}


def warn(message: str, category: type[Warning]) -> None:
    """Warn, and name the line of code that called the package."""
    level, frame = 1, inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] not in _PASSED_OVER:
            break
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
