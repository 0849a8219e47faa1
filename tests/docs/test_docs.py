"""The documentation is whole: pages in the menus, links that lead on, all public names.

(`make docs` builds it, and takes each of its warnings for an error.)
"""

import re
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
NOT_WRITTEN_BY_HAND = (
    "_build", "_templates", "gallery", "api/generated", "api/examples", "sg_",
)  # fmt: skip
PAGES = sorted(
    page
    for page in DOCS.rglob("*")
    if page.suffix in {".md", ".rst"}
    and not str(page.relative_to(DOCS)).startswith(NOT_WRITTEN_BY_HAND)
)
PUBLIC = {
    "sklearn_scan": "sklearn_scan",
    "sklearn_scan.clusterers": "clusterers",
    "sklearn_scan.datasets": "datasets",
    "sklearn_scan.encoders": "encoders",
    "sklearn_scan.encoders.cache": "cache",
    "sklearn_scan.exceptions": "exceptions",
    "sklearn_scan.images": "images",
    "sklearn_scan.images.augment": "augment",
    "sklearn_scan.metrics": "metrics",
    "sklearn_scan.model_selection": "model_selection",
    "sklearn_scan.neighbors": "neighbors",
    "sklearn_scan.plotting": "plotting",
    "sklearn_scan.pretext": "pretext",
    "sklearn_scan.report": "report",
    "sklearn_scan.results.embedding_map": "embedding_map",
    "sklearn_scan.results.persistence": "persistence",
    "sklearn_scan.results.prototypes": "prototypes",
    "sklearn_scan.results.relabeling": "relabeling",
    "sklearn_scan.results.standalone": "standalone",
    "sklearn_scan.training.objectives": "objectives",
}


def name_page(page):
    return str(page.relative_to(ROOT))


def menu_of(page):
    """Return the pages, or patterns of pages, in the toctrees of a page."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    entries = [line for line in lines if line and not line.startswith(":")]
    return [page.parent / re.sub(r".*<(.+)>", r"\1", entry) for entry in entries]


def links_of(page):
    """Yield the file and the anchor of each link to a place within the repository."""
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match("https?:", link):
            file, _, anchor = link.partition("#")
            yield (page.parent / file if file else page), anchor
    for name in re.findall(r":doc:`(?:[^`<]+<)?/([^`>]+)>?`", text):
        yield DOCS / f"{name}.md", ""


def anchors_of(page):
    """Return what the headings of a page are linked by."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_every_page_is_in_a_menu():
    entries = [entry for page in PAGES for entry in menu_of(page)]
    listed = {
        file for entry in entries for file in entry.parent.glob(f"{entry.name}.*")
    }
    assert set(PAGES) - listed == {DOCS / "index.md"}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES], ids=name_page
)
def test_links_lead_somewhere(page):
    for file, anchor in links_of(page):
        if file.parent == DOCS / "gallery":  # which is made by the build
            continue
        assert file.exists(), file
        assert not anchor or anchor in anchors_of(file), f"{file}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_code_that_is_quoted_exists(page):
    text = page.read_text(encoding="utf-8")
    for module, name in re.findall(r"{source-of} (\S+) (\S+)", text):
        assert attrgetter(name)(import_module(module)), (module, name)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_documented(module):
    text = (DOCS / "api" / f"{PUBLIC[module]}.rst").read_text(encoding="utf-8")
    title, underline = text.splitlines()[:2]
    assert module not in title  # which says the subject
    assert underline == "=" * len(title)
    assert f"\n.. currentmodule:: {module}\n\nModule ``{module}``.\n" in text
    names = set(import_module(module).__all__)
    assert names == {name for name in names if re.search(rf"(?<!\w){name}(?!\w)", text)}
