"""A directive that shows a function as it is in the package, without its docstring.

``.. source-of:: sklearn_scan.training.objectives ScanLoss.terms`` cannot go stale: a
name that the module does not have is an error. The module may import it from elsewhere.
"""

import ast
import inspect
import sys
import textwrap
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import sklearn_scan

_SOURCES = Path(sklearn_scan.__file__).parents[1]
_Found = ast.FunctionDef | ast.ClassDef


def locate(module: str, path: str) -> tuple[str, str]:
    """Return the module and the dotted path that an object is written under."""
    found = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    found = inspect.unwrap(getattr(found, "fget", found))
    return found.__module__, found.__qualname__


def find(tree: ast.Module, path: str) -> _Found:
    """Return the function or class of a dotted path, such as ``Class.method``."""
    found: ast.Module | _Found = tree
    for name in path.split("."):
        (found,) = (
            node
            for node in found.body
            if isinstance(node, _Found) and node.name == name
        )
    return found


def without_docstring(source: str, path: str) -> str:
    """Return the lines of a function, but for those of its docstring."""
    node = find(ast.parse(source), path)
    lines = source.splitlines()
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    kept = range(first, node.end_lineno + 1)
    if ast.get_docstring(node) is not None:
        docstring = range(node.body[0].lineno, node.body[0].end_lineno + 1)
        kept = [number for number in kept if number not in docstring]
    return textwrap.dedent("\n".join(lines[number - 1] for number in kept))


class SourceOf(SphinxDirective):
    """The code of a function, under the name of its file."""

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        try:
            module, path = locate(*self.arguments)
        except (ImportError, AttributeError) as error:
            asked = " ".join(self.arguments)
            raise self.error(f"No source of {asked}: {error}.") from None
        file = sys.modules[module].__file__
        self.env.note_dependency(file)
        code = without_docstring(Path(file).read_text(encoding="utf-8"), path)
        place = f"{Path(file).relative_to(_SOURCES)}: {path}"
        caption = nodes.caption("", "", nodes.literal(place, place))
        block = nodes.literal_block(code, code, language="python")
        wrapper = nodes.container(
            "", caption, block, literal_block=True, classes=["literal-block-wrapper"]
        )
        return [wrapper]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("source-of", SourceOf)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
