"""A directive that shows the help of a click command, and of all commands under it.

``.. click-help:: sklearn_scan.cli:main`` gives each command a section, whose text is
what ``--help`` prints: it cannot go stale.
"""

from collections.abc import Iterator
from importlib import import_module

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_WIDTH = 88


def list_helps(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of a command, and of those under it."""
    context = click.Context(
        command, info_name=name, parent=parent, max_content_width=_WIDTH
    )
    context.terminal_width = _WIDTH
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            yield from list_helps(command.get_command(context, child), child, context)


class ClickHelp(SphinxDirective):
    """Sections with the help of each command of ``module:name``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].partition(":")
        sections: list[nodes.Node] = []
        for path, text in list_helps(getattr(import_module(module), name), _PROGRAM):
            section = nodes.section(ids=[nodes.make_id(path)])
            section += nodes.title("", "", nodes.literal(path, path))
            section += nodes.literal_block(text, text, language="text")
            sections.append(section)
        return sections


_PROGRAM = "sklearn-scan"


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("click-help", ClickHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
