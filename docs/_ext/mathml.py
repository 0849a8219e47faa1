"""Equations as MathML, which browsers draw themselves: no script, from nowhere."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


# The converter takes a bar, a tilde or a hat for a limit above, and an index then for a
# limit below. What is marked as an accent, some browsers draw into the letter, with
# some fonts.
_MARKS = "[ˉ~^]"
_LETTER = r"<m[in]>[^<]*</m[in]>"
_INDEXED = re.compile(
    rf'<munderover>\s*({_LETTER})(.*?)<mo stretchy="false">({_MARKS})</mo>\s*'
    "</munderover>",
    re.DOTALL,
)
_ACCENTED = re.compile(
    rf'<mover accent="true">(\s*{_LETTER}\s*<mo stretchy="false">{_MARKS}</mo>)'
)


def to_mathml(tex: str, *, as_block: bool) -> str:
    """Return an equation in MathML.

    Raises
    ------
    MathError
        If it cannot be converted.
    """
    mathml = tex2mathml(tex.replace("'", r"^\prime "), as_block=as_block)
    mathml = _INDEXED.sub(
        r'<msub><mover>\1<mo stretchy="false">\3</mo></mover>\2</msub>', mathml
    )
    return _ACCENTED.sub(r"<mover>\1", mathml)


def _convert(node: nodes.Element, *, as_block: bool) -> str:
    try:
        return to_mathml(node.astext(), as_block=as_block)
    except MathError as error:
        logger.warning("%s in %r", error, node.astext(), location=node)
        return f"<code>{node.astext()}</code>"


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_convert(node, as_block=False))
    raise nodes.SkipNode


def visit_math_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    equation = _convert(node, as_block=True)
    translator.body.append(f'<div class="equation">{equation}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
