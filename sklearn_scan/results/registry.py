"""The clusterers by name: what the command offers, and what a saved model may be."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

__all__ = ["clusterer_classes", "register_clusterer"]

_Class = TypeVar("_Class", bound=type)

_classes: dict[str, type] = {}


def register_clusterer(method: str) -> Callable[[_Class], _Class]:
    """Return a decorator that makes a class known to the command and to `load`.

    Parameters
    ----------
    method : str
        What the command calls it, in `sklearn-scan fit --method`.

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
    """Return the classes that are registered, by the name of the method."""
    # The room above registers its classes when it is imported. `load` may be called
    # before anyone has done so.
    import_module("sklearn_scan.clusterers")
    return dict(_classes)
