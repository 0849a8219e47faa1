"""The registry of clusterers, for the command and for saved models."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

__all__ = ["clusterer_classes", "register_clusterer"]

_Class = TypeVar("_Class", bound=type)

_classes: dict[str, type] = {}


def register_clusterer(method: str) -> Callable[[_Class], _Class]:
    """Return a decorator that registers a class for the command and for `load`.

    Parameters
    ----------
    method : str
        The name of the method in `sklearn-scan fit --method`.

    Returns
    -------
    callable
        From the class to the class, unchanged.
    """

    def register(kind: _Class) -> _Class:
        _classes[method] = kind
        return kind

    return register


def clusterer_classes() -> dict[str, type]:
    """Return the registered classes, by the names of their methods."""
    # clusterers are registered when they are imported, which `load` may come before
    import_module("sklearn_scan.clusterers")
    return dict(_classes)
