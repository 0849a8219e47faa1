"""Parts of docstrings that several functions or classes share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import dedent
from typing import TypeVar

__all__ = ["share_docs"]

_Documented = TypeVar("_Documented")


def share_docs(**parts: str) -> Callable[[_Documented], _Documented]:
    r"""Return a decorator that writes shared parts into a docstring.

    Parameters
    ----------
    **parts : str
        Lines of a docstring, by the name that stands for them there, in braces.

    Returns
    -------
    callable
        From a function or a class to itself, with its docstring completed.

    Examples
    --------
    >>> @share_docs(x="x : float\n    A number.")
    ... def double(x):
    ...     '''Double a number.
    ...
    ...     {x}
    ...     '''
    >>> print(double.__doc__)
    Double a number.
    <BLANKLINE>
    x : float
        A number.
    """

    def complete(documented: _Documented) -> _Documented:
        text = inspect.getdoc(documented)
        if text is not None:  # as where Python leaves docstrings out
            for name, part in parts.items():
                text = text.replace(f"{{{name}}}", dedent(part).strip())
            documented.__doc__ = text
        return documented

    return complete
