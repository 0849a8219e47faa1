"""The page put together: one file, which loads nothing and trusts no name in it."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["Page"]

_SCRIPTS = (
    "data", "dom", "edits", "downloads", "loading", "clusters", "tiles", "dialogs",
    "detail", "gallery", "cards", "charts", "map", "map-input", "search", "main",
)  # fmt: skip


class Page:
    """The template with its style and script.

    Made before the long work, so that what is missing is known by then.

    Raises
    ------
    ImportError
        If jinja2 is not installed.
    """

    def __init__(self) -> None:
        self._template = _load_template()
        self._style = _read("static/report.css")
        self._dark_style = _read("static/dark.css")
        body = "\n".join(_read(f"static/{name}.js") for name in _SCRIPTS)
        # At the first frame, before it is painted. To a page that asks sooner, Chromium
        # at times gives a localStorage that is empty and forgets what it is told: edits
        # of before would be gone, and new ones lost.
        self._script = f'"use strict";\nrequestAnimationFrame(() => {{\n{body}\n}});\n'

    def render(
        self, *, data: dict[str, Any], sheets: list[bytes], **shown: Any
    ) -> bytes:
        """Return the page.

        Parameters
        ----------
        data : dict
            Of `page_data`.
        sheets : list of bytes
            The pictures of thumbnails.
        **shown
            What the template shows as text.
        """
        html = self._template.render(
            policy=self._policy(),
            style=self._style,
            dark_style=self._dark_style,
            script=self._script,
            data=_embed_json(data),
            percent=_percent,
            sheets=[base64.b64encode(sheet).decode() for sheet in sheets],
            **shown,
        )
        # a file name of no known script stands in texts as "?"; data has it in escapes
        return html.encode(errors="replace")

    def _policy(self) -> str:
        """Return what the browser may run and load: this script, style and pictures."""
        return "; ".join(
            [
                "default-src 'none'",
                f"script-src '{_digest(self._script)}'",
                f"style-src '{_digest(self._style)}' '{_digest(self._dark_style)}'",
                "img-src data: blob:",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        )


def _load_template() -> Template:
    try:
        from jinja2 import BaseLoader, Environment, StrictUndefined
    except ImportError as error:
        raise ImportError("write_report needs jinja2: pip install jinja2.") from error
    environment = Environment(
        loader=BaseLoader(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string(_read("templates/report.html.j2"))


def _read(name: str) -> str:
    return (files("sklearn_scan.report") / name).read_text(encoding="utf-8")


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}\u00a0%"  # on one line


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _embed_json(data: dict[str, Any]) -> str:
    """Return JSON that may stand in a script element: nothing in it ends one."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")
