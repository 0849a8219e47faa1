"""The role of `single backticks` in docstrings: code, and a link where it is an object.

Docstrings name parameters and attributes in the same way, so what is not found is no
error; references that must be found are written with a role of their own.
"""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole
from sphinx.environment import BuildEnvironment

_MARK = "may_be_missing"


class NameRole(PyXRefRole):
    """A reference to an object of the package, by the end of its dotted name."""

    def process_link(
        self,
        env: BuildEnvironment,
        refnode: nodes.Element,
        has_explicit_title: bool,
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
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    return content if node.get(_MARK) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("name", NameRole())
    app.connect("missing-reference", leave_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
