"""A report on paper: all photos of all cards, and no controls."""

import re

import pytest
from report_helpers import make_clusterer, make_images

from sklearn_scan.report import write_report

N_IMAGES, N_CLUSTERS = 60, 20


@pytest.fixture(scope="module")
def long_report(tmp_path_factory):
    """A report of which most cards are below the window."""
    path = tmp_path_factory.mktemp("long") / "report.html"
    clusterer = make_clusterer(N_IMAGES, N_CLUSTERS)
    write_report(path, clusterer, make_images(N_IMAGES), projection="pca")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_photos_are_printed(long_report, open_report, scheme):
    """With the settings that browsers begin with: no backgrounds."""
    with open_report(long_report, color_scheme=scheme) as opened:
        content = opened.page.pdf()
        n_pictures = len(re.findall(rb"/Subtype\s*/Image", content))
        assert n_pictures >= N_IMAGES  # each once, and the map
        cards = opened.page.locator(".card")
        assert cards.count() == N_CLUSTERS
        assert opened.page.locator(".card[data-stale]").count() == 0
        images = opened.page.locator(".card img")
        assert images.evaluate_all("all => all.every((img) => img.naturalWidth)")


def test_edits_are_printed(long_report, open_report):
    """Also on cards that are out of view."""
    with open_report(long_report) as opened:
        opened.rename(0, "first")
        opened.merge(1, into=0)
        opened.page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
        opened.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert opened.page.locator("#cluster-0 h3").text_content() == "first"
        assert opened.page.locator("#cluster-0 .tile").count() == 1 + 6 + 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_style_of_paper(long_report, open_report, scheme):
    with open_report(long_report, color_scheme=scheme) as opened:
        page = opened.page
        page.locator("#search").fill("X[1]")
        page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        for control in ("#search", "#undo", "#downloads", "#map-in", ".foot", "input"):
            assert page.locator(control).first.is_hidden(), control
        assert page.locator("[data-action]:visible").count() == 0
        assert page.locator(".card .tile").first.is_visible()
        ink, ground, inside = page.locator(".card").first.evaluate(
            """card => [getComputedStyle(card).color,
            getComputedStyle(document.body).backgroundColor,
            getComputedStyle(card).breakInside]"""
        )
        assert ink == "rgb(21, 24, 30)"
        assert ground == "rgb(255, 255, 255)"
        assert inside == "avoid"
