"""Warnings that name the line of the user's code."""

from __future__ import annotations

import inspect
import warnings

__all__ = ["warn"]

# Between the user and a warning stand the package, and what calls it for the user:
# scikit-learn's searches and wrappers, and decorators.
_PASSED_OVER = {"contextlib", "joblib", "sklearn", "sklearn_scan", "torch"}


def warn(message: str, category: type[Warning]) -> None:
    """Warn, and name the line of code that called the package.

    Parameters
    ----------
    message : str
        What the user should know, and can do.
    category : type of Warning
        `ConvergenceWarning` of a fit that went poorly; else mostly `UserWarning`.
    """
    level, frame = 1, inspect.currentframe()
    while frame is not None and _package_of(frame.f_globals) in _PASSED_OVER:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _package_of(namespace: dict[str, object]) -> str:
    """Return the name of the package that a module's namespace is of."""
    return str(namespace.get("__name__")).partition(".")[0]
