"""A directive that draws the package: its rooms, floors and imports, as they are."""

from docutils import nodes
from draw_house import draw
from read_house import PACKAGE, ROOT, read_house
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class HousePicture(SphinxDirective):
    """The picture of the package. An import that does not lead down is an error."""

    def run(self) -> list[nodes.Node]:
        for file in [ROOT / "pyproject.toml", *(ROOT / PACKAGE).rglob("*.py")]:
            self.env.note_dependency(str(file))
        try:
            picture = draw(read_house())
        except ValueError as error:
            raise self.error(str(error)) from None
        html = f'<div class="house-picture">{picture}</div>'
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("house-picture", HousePicture)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
