"""How the documentation is built: `make docs`, into docs/_build/html."""

import sys
from pathlib import Path
from typing import Any

from docutils import nodes

import sklearn_scan

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_ext")]

project = "sklearn_scan"
author = "the sklearn_scan developers"
project_copyright = f"2026, {author}"
version = release = sklearn_scan.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "matplotlib.sphinxext.plot_directive",
    "sphinx_gallery.gen_gallery",
    "click_help",
    "defaults",
    "house",
    "mathml",
    "names",
    "source_of",
]

exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

# Every reference must be found. Nothing is fetched: neither other projects' inventories
# nor a script to draw equations with, so that the pages are built and read offline.
nitpicky = True
html_math_renderer = "mathml"
default_role = "name"  # of `single backticks` in docstrings

autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings say more
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
add_module_names = False
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

plot_formats = [("svg", 100)]
plot_html_show_formats = False
plot_html_show_source_link = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "ignore_pattern": r"(^|/)(?!plot_)[^/]*\.py$",
    "doc_module": ("sklearn_scan",),
    "backreferences_dir": "api/examples",
    "reference_url": {"sklearn_scan": None},
    "abort_on_example_error": True,
    "capture_repr": (),  # many blocks end in Axes
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_scan"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sourcelink = False
html_sidebars = {
    page: []
    for page in (
        "index",
        "quick_start",
        "how_scan_works",
        "how_scan_works_on_features",
        "how_jule_works",
        "house",
    )
}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}


def leave_out_inherited(
    _app: Any, _what: str, _name: str, member: Any, _skip: bool, _options: Any
) -> bool | None:
    """Leave out what classes have from PyTorch and scikit-learn."""
    function = getattr(member, "fget", member)
    module = getattr(function, "__module__", None) or "sklearn_scan"
    return None if module.startswith("sklearn_scan") else True


def strip_snippets(_app: Any, doctree: Any) -> None:
    """Take away the empty line that ends a snippet, which doctest needs."""
    for block in doctree.findall(nodes.literal_block):
        if block.rawsource == block.astext():
            block.rawsource = block.rawsource.rstrip()
            block[:] = [nodes.Text(block.rawsource)]


def setup(app: Any) -> None:
    """Connect what is above."""
    app.connect("autodoc-skip-member", leave_out_inherited)
    app.connect("doctree-read", strip_snippets)
