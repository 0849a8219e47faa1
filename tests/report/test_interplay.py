"""What one action on a report does to another."""

import json

import numpy as np
import pytest
from report_helpers import (
    make_clusterer,
    make_images,
    members,
    reference_csv,
    reference_edits,
)

from sklearn_scan.report import write_report
from sklearn_scan.results.relabeling import Edits, relabel

PHONE = {"viewport": {"width": 390, "height": 700}, "has_touch": True}


@pytest.fixture(scope="module")
def long_gallery(tmp_path_factory):
    """A report with a cluster of more images than a gallery shows at first."""
    path = tmp_path_factory.mktemp("long") / "report.html"
    clusterer = make_clusterer(500, 2)
    write_report(path, clusterer, make_images(500, side=8), projection="pca")
    return path


def rows_of(tiles):
    return tiles.evaluate_all("ts => ts.map(t => Number(t.dataset.row))")


def test_from_a_group_to_paper(opened, clusterer):
    """A group is made, part of it is left out, undone, searched, merged, printed."""
    page, rows = opened.page, members(clusterer, 1).tolist()
    opened.act(1, "all")
    gallery = page.locator("#gallery")
    tiles = gallery.locator(".tile")
    tiles.first.click(modifiers=["Control"])
    tiles.nth(1).click(modifiers=["Shift"])
    first, second = rows_of(tiles)[:2]
    gallery.get_by_label("Move to").select_option("New group…")
    gallery.get_by_role("button", name="Move", exact=True).click()
    page.get_by_label("Name of the new group").fill("odd")
    page.keyboard.press("Enter")
    opened.close()
    opened.act(4, "all")
    tiles.first.click(modifiers=["Control"])
    gallery.get_by_role("button", name="Leave out").click()
    assert tiles.count() == 1
    page.keyboard.press("Control+z")
    assert tiles.count() == 2
    assert page.evaluate("document.activeElement.closest('#gallery') !== null")
    page.keyboard.press("Control+y")
    opened.close()
    page.locator("#search").fill("odd")
    assert page.locator("#results-title").text_content() == "1 cluster found"
    opened.merge(4, into=2)
    assert page.locator("#results-title").text_content() == "Nothing found"
    kept = next(row for row in (first, second) if row in set(in_cluster(page, 2)))
    out = first + second - kept
    edits = {"moved": {kept: 2}, "left_out": [out]}
    assert out in rows
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    downloaded = json.loads(opened.download("edits.json"))
    assert downloaded == reference_edits(clusterer, **edits)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("#results").is_hidden()
    assert page.locator("#left-out img[src]").is_visible()


def in_cluster(page, cluster):
    """Return the images of a cluster."""
    page.locator(f"#cluster-{cluster} [data-action=all]").click()
    rows = rows_of(page.locator("#gallery .tile"))
    page.keyboard.press("Escape")
    page.locator("#gallery:not([open])").wait_for(state="attached")
    return rows


def test_undo_of_the_group_that_is_looked_at(opened):
    """Its gallery closes; that of a merged cluster shows what it was merged into."""
    page = opened.page
    opened.merge(3, into=1)
    opened.rename(1, "both")
    opened.act(1, "all")
    page.keyboard.press("Control+z")
    assert page.locator("#gallery-title").text_content() == "cluster 1"
    page.keyboard.press("Control+z")
    n_images = page.locator("#gallery .tile").count()
    assert f"{n_images} images" in opened.page.locator("#cluster-1").text_content()
    opened.close()
    opened.act(3, "all")
    page.keyboard.press("Control+y")
    assert page.locator("#gallery-title").text_content() == "cluster 1"
    opened.close()
    page.locator("#undo").click()
    opened.card(3).locator("[data-action=all]").click()
    page.locator("#gallery .tile").first.click(modifiers=["Control"])
    page.locator("#gallery").get_by_label("Move to").select_option("New group…")
    page.locator("#gallery").get_by_role("button", name="Move", exact=True).click()
    page.get_by_label("Name of the new group").fill("odd")
    page.keyboard.press("Enter")
    opened.close()
    opened.act(4, "all")
    page.keyboard.press("Control+z")
    opened.expect(page.locator("dialog[open]")).to_have_count(0)
    assert page.locator(".card").count() == 4


def test_a_filter_hides_images_that_stay_chosen(opened, clusterer):
    page, rows = opened.page, members(clusterer, 1).tolist()
    opened.act(1, "all")
    gallery = page.locator("#gallery")
    gallery.locator(".tile").first.click(modifiers=["Control"])
    page.keyboard.press("Control+a")
    assert "not shown" not in gallery.text_content()
    wanted = gallery.get_by_label("Filter by file name")
    wanted.fill(f"photo {rows[0]:02}")
    said = f"{len(rows)} images chosen, {len(rows) - 1} not shown"
    assert said in gallery.text_content()
    wanted.fill("")
    gallery.locator(".tile").nth(1).click(modifiers=["Shift"])  # from the first
    assert f"{len(rows)} images chosen" in gallery.text_content()
    assert "not shown" not in gallery.text_content()


def test_a_gallery_stays_where_it_is_scrolled(long_gallery, open_report):
    with open_report(long_gallery) as opened:
        page, gallery = opened.page, opened.page.locator("#gallery")
        opened.act(0, "all")
        tiles = gallery.locator(".tile")
        for _ in range(3):
            gallery.evaluate("g => g.scrollTo(0, g.scrollHeight)")
            n = tiles.count()
            page.wait_for_timeout(60)
        n, was_at = tiles.count(), gallery.evaluate("g => g.scrollTop")
        assert n > 200
        tiles.nth(n - 1).click(modifiers=["Control"])
        gallery.get_by_role("button", name="Leave out").click()
        assert tiles.count() == n - 1
        assert abs(gallery.evaluate("g => g.scrollTop") - was_at) < 200


def test_a_question_is_answered_before_undo(opened):
    """And gives the focus back to where it was asked."""
    page = opened.page
    opened.rename(1, "birds")
    opened.rename(3, "birds")
    page.keyboard.press("Control+z")
    assert page.locator("#undo").text_content() == "Undo (1)"
    opened.close()
    action = "[document.activeElement.dataset.action, document.activeElement.ariaLabel]"
    assert page.evaluate(action) == ["rename", "Rename cluster 3"]


def test_two_tabs_share_their_edits(opened, report, clusterer):
    other = opened.page.context.new_page()
    other.goto(report.as_uri())
    other.wait_for_selector("html[data-ready]")
    undo = other.locator("#undo")
    opened.page.bring_to_front()  # a page behind another is slow
    opened.rename(1, "birds")
    opened.expect(undo).to_have_text("Undo (1)")
    opened.merge(3, into=1)
    opened.expect(undo).to_have_text("Undo (2)")
    other.bring_to_front()
    undo.click()
    opened.expect(opened.page.locator("#undo")).to_have_text("Undo (1)")
    opened.page.bring_to_front()
    edits = {"names": {1: "birds"}}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)


def test_figures_without_labels_are_of_the_clusters_as_found(opened):
    page = opened.page
    known = page.locator("[data-found]")
    found = known.all_text_contents()
    assert {"Groups", "Stable"} < set(page.locator(".facts dt").all_text_contents())
    opened.rename(1, "birds")
    assert known.all_text_contents() == found
    opened.merge(3, into=1)
    assert set(known.all_text_contents()) == {"\N{EN DASH}", "unknown after this edit"}
    page.locator("#undo").click()
    assert known.all_text_contents() == found


def test_images_put_back_are_a_share_of_all(open_report, clusterer, tmp_path):
    """Those that an earlier correction has left out are counted too."""
    rows = np.flatnonzero(clusterer.labels_ != 0).tolist()
    corrected = relabel(clusterer, Edits(left_out=rows))
    path = tmp_path / "report.html"
    write_report(path, corrected, make_images(), projection="pca")
    with open_report(path) as opened:
        share = 100 * len(members(clusterer, 0)) / 24
        assert f"{share:.0f}\u00a0%" in opened.card(0).text_content()
        opened.page.get_by_role("button", name="Put all back").click()
        shares = [opened.card(c).text_content() for c in range(4)]
        assert not any("100\u00a0%," in share for share in shares)


def test_all_images_are_left_out(open_report, clusterer, tmp_path):
    """On the page, and by a correction from which the page is written anew."""
    corrected = relabel(clusterer, Edits(left_out=range(24)))
    path = tmp_path / "report.html"
    write_report(path, corrected, make_images(), projection="pca")
    with open_report(path) as opened:
        page = opened.page
        assert page.locator("#fact-empty").text_content() == "4 empty"
        assert page.locator("#left-out-title").text_content() == "Left out: 24 images"
        page.get_by_role("button", name="Put all back").click()
        assert page.locator("#left-out").is_hidden()
        page.locator("#undo").click()
        assert opened.download("labels.csv") == reference_csv(corrected)


def test_the_menu_is_within_a_phone(report, open_report):
    with open_report(report, **PHONE) as opened:
        opened.tap(opened.page.locator("#downloads > summary"))
        box = opened.page.locator(".menu-items").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert opened.page.evaluate("document.body.scrollWidth") <= 390
