"""Parts of docstrings that several objects share, and links to the pages."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import TypeVar

__all__ = ["DocLink", "share_docs"]

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


# Classes that have their page under the top of the package, and not under their room.
_AT_THE_TOP = {
    "GraphDegreeLinkage",
    "ImageEncoder",
    "JULEClusterer",
    "SCANClusterer",
    "TEMIClusterer",
}


class DocLink:
    """Lets scikit-learn's HTML view of an estimator lead to our pages.

    They are where SKLEARN_SCAN_DOCS says, an address or a folder; by default where
    `make docs` builds them in a clone. Without pages there is no link.
    """

    _doc_link_module = "sklearn_scan"

    @property
    def _doc_link_template(self) -> str:
        place = os.environ.get("SKLEARN_SCAN_DOCS", "")
        if "://" not in place:
            default = Path(__file__).parents[2] / "docs" / "_build" / "html"
            folder = Path(place) if place else default
            place = folder.resolve().as_uri() if folder.is_dir() else ""
        return place and f"{place.rstrip('/')}/api/generated/{{page}}.html"

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        """Return the name of the page, as the documentation's API has it."""
        kind = type(self)
        package, room, *_ = kind.__module__.split(".")
        above = package if kind.__name__ in _AT_THE_TOP else f"{package}.{room}"
        return {"page": f"{above}.{kind.__name__}"}
