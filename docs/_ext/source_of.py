"""A directive that shows a function as it is in the package, without its docstring.

``.. source-of:: sklearn_scan.training.loop train_step`` cannot go stale: a function
that has moved is an error.
"""

import ast
import textwrap
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_Found = ast.FunctionDef | ast.ClassDef


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
        module, path = self.arguments
        file = find_spec(module).origin
        self.env.note_dependency(file)
        try:
            code = without_docstring(Path(file).read_text(encoding="utf-8"), path)
        except ValueError:
            raise self.error(f"{module} has no {path}.") from None
        place = f"{module.replace('.', '/')}.py: {path}"
        caption = nodes.caption("", "", nodes.literal(place, place))
        block = nodes.literal_block(code, code, language="python")
        wrapper = nodes.container(
            "", caption, block, literal_block=True, classes=["literal-block-wrapper"]
        )
        return [wrapper]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("source-of", SourceOf)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
