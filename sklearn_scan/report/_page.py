"""The page as one file, which loads nothing and trusts no name in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from sklearn_scan.report._data import PACK, PageData

if TYPE_CHECKING:
    from jinja2 import Template

_SCRIPTS = (
    "data", "dom", "edit-steps", "edits", "downloads", "loading", "clusters", "tiles",
    "dialogs", "files", "renaming", "moving", "detail", "grid", "gallery", "left-out",
    "cards", "charts", "map", "map-input", "map-lasso", "granularity", "search",
    "print", "main",
)  # fmt: skip


def render_page(
    template: Template, *, data: PageData, pictures: Sequence[bytes], **shown: object
) -> bytes:
    """Return the page, with the data for its script and the thumbnails."""
    style, dark_style = _read("static/report.css"), _read("static/dark.css")
    body = "\n".join(_read(f"static/{name}.js") for name in _SCRIPTS)
    # At the first frame, before it is painted. If a page asks sooner, Chromium
    # sometimes gives it an empty localStorage that keeps nothing: earlier edits would
    # be gone, and later ones lost.
    script = f'"use strict";\nrequestAnimationFrame(() => {{\n{body}\n}});\n'
    policy = [  # it runs this script and loads nothing else
        "default-src 'none'",
        f"script-src '{_digest(script)}'",
        f"style-src '{_digest(style)}' '{_digest(dark_style)}'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    html = template.render(
        policy="; ".join(policy),
        style=style,
        dark_style=dark_style,
        script=script,
        data=_embed_json(data),
        percent=_percent,
        packs=list(_in_packs(pictures)),
        **shown,
    )
    # characters of a file name that no encoding has are "?" here; data escapes them
    return html.encode(errors="replace")


def _in_packs(pictures: Sequence[bytes]) -> Iterator[str]:
    """Yield the pictures of one script element after the other, in base64."""
    for start in range(0, len(pictures), PACK):
        some = pictures[start : start + PACK]
        yield " ".join(base64.b64encode(picture).decode() for picture in some)


def load_template() -> Template:
    """Return the template; before the long work, since jinja2 may not be installed."""
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


def _embed_json(data: PageData) -> str:
    """Return JSON for a script element, which nothing in it can end."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")
