"""The clusterers by name: what the command offers, and what a saved model may be.

Clusterers stand above this room, and register themselves when they are imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_Class = TypeVar("_Class", bound=type)

# The classes, by the name of the method.
clusterer_classes: dict[str, type] = {}


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
        clusterer_classes[method] = kind
        return kind

    return register
