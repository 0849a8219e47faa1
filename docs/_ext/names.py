"""Code that is the name of an object becomes a link to it.

In docstrings that is the role of `single backticks`, and on pages what is set as code.
Both name parameters in the same way, so what is not found is no error; references that
must be found are written with a role of their own.
"""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole
from sphinx.environment import BuildEnvironment

_MARK = "may_be_missing"
_LINKED = ("class", "function", "exception")
_NOT_LINKED = (nodes.reference, nodes.title, nodes.caption, nodes.term)


class NameRole(PyXRefRole):
    """A reference to an object of the package, by the end of its dotted name."""

    def process_link(
        self,
        env: BuildEnvironment,
        refnode: nodes.Element,
        _has_explicit_title: bool,
        title: str,
        target: str,
    ) -> tuple[str, str]:
        refnode.attributes.update({_MARK: True, "refdomain": "py", "reftype": "obj"})
        refnode["py:module"] = env.ref_context.get("py:module")
        refnode["py:class"] = env.ref_context.get("py:class")
        # the end of a name is enough only for what cannot be a parameter's
        if "." in target or target[:1].isupper():
            refnode["refspecific"] = True
        return title, target


def leave_names(
    _app: Sphinx, _env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    return content if node.get(_MARK) else None


def link_names(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link what is set as code on a page, if it names one class or function."""
    domain = app.env.domains.python_domain
    documented = [
        (full, entry)
        for full, entry in domain.objects.items()
        if entry.objtype in _LINKED and not entry.aliased
    ]
    for literal in list(doctree.findall(nodes.literal)):
        if isinstance(literal.parent, _NOT_LINKED):
            continue
        end = "." + literal.astext().removesuffix("()")
        found = [each for each in documented if each[0].endswith(end)]
        if len(found) != 1:
            continue
        full, entry = found[0]
        uri = app.builder.get_relative_uri(docname, entry.docname)
        link = nodes.reference(
            "", "", internal=True, refuri=f"{uri}#{entry.node_id}", reftitle=full
        )
        literal.replace_self(link)
        link += literal


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("name", NameRole())
    app.connect("missing-reference", leave_names)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
