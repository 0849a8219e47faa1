"""A role that writes the value of a constant of the package into a page.

``{default}`` with ``sklearn_scan.clusterers.defaults:N_HEADS`` cannot go stale: a name
that is not there is an error. ``NAME.0`` and ``NAME.key`` are one value of several, and
``NAME %`` is a share in percent.
"""

from collections.abc import Mapping
from importlib import import_module
from numbers import Integral, Real
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx


def find(target: str) -> Any:
    """Return the value that ``module:NAME`` names."""
    module, _, path = target.partition(":")
    name, *keys = path.split(".")
    value = getattr(import_module(module), name)
    for key in keys:
        if key.isdecimal():
            value = value[int(key)]
        else:
            value = value[key] if isinstance(value, Mapping) else getattr(value, key)
    return value


def write_percent(share: float) -> str:
    """Return a share as text: 0.5 % of 0.005."""
    return f"{100 * share:.6g} %"


def write(value: Any) -> str:
    """Return a value as text: 36,000 or 0.001; "1, 0.6 and 0.3" for a tuple."""
    if isinstance(value, tuple | list | Mapping):
        *firsts, last = map(write, value)
        return f"{', '.join(firsts)} and {last}" if firsts else last
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else f"{value:,.6g}"


def default_role(
    _name: str,
    rawtext: str,
    text: str,
    lineno: int,
    inliner: Inliner,
    _options: dict[str, object] | None = None,
    _content: list[str] | None = None,
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    target, _, unit = text.partition(" ")
    form = {"": write, "%": write_percent}
    try:
        return [nodes.Text(form[unit](find(target)))], []
    except (ImportError, AttributeError, LookupError, ValueError) as error:
        message = inliner.reporter.error(f"No constant {text}: {error}.", line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("default", default_role)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
