"""Objects of optional libraries, told without importing them."""

from __future__ import annotations

import sys


def is_instance(X: object, library: str, *names: str) -> bool:
    """Tell whether X is of one of a library's classes; False if it is not loaded."""
    module = sys.modules.get(library)  # where it is not loaded, X is not of it
    classes = (getattr(module, name, None) for name in names)
    return any(isinstance(X, kind) for kind in classes if isinstance(kind, type))
