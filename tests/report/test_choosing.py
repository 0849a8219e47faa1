"""Images chosen in a gallery or on the map, by mouse, keyboard and touch."""

import json

import numpy as np
import pytest
from report_helpers import make_images, members, reference_csv, reference_edits

from sklearn_scan.report import write_report
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.relabeling import Edits, relabel

DESK = {"viewport": {"width": 1400, "height": 900}, "color_scheme": "light"}
PHONE = {
    "viewport": {"width": 390, "height": 800}, "color_scheme": "dark", "has_touch": True
}  # fmt: skip
WAYS = {"mouse": DESK, "keyboard": DESK, "touch": PHONE}


class Chooser:
    """Chooses images on a page in one of the ways."""

    def __init__(self, opened, way):
        self.opened, self.page, self.way = opened, opened.page, way
        self.gallery = opened.page.locator("dialog#gallery")
        self.fingers = opened.page.context.new_cdp_session(opened.page)

    def open(self, cluster):
        self.press(self.opened.card(cluster).locator("[data-action=all]"))

    def press(self, locator):
        if self.way == "mouse":
            locator.click()
        elif self.way == "touch":
            self.opened.tap(locator)
        else:
            locator.focus()
            self.page.keyboard.press("Enter")

    def choose_first(self, n):
        """Choose the first images that are shown; return their rows."""
        tiles = self.gallery.locator(".tile")
        rows = tiles.evaluate_all("ts => ts.map(t => Number(t.dataset.row))")[:n]
        if self.way == "mouse":
            tiles.first.click(modifiers=["Control"])
            tiles.nth(n - 1).click(modifiers=["Shift"])
        elif self.way == "keyboard":
            tiles.first.focus()
            self.page.keyboard.press("Control+Space")
            for _ in range(n - 1):
                self.page.keyboard.press("Shift+ArrowRight")
        else:
            self.press_long(tiles.first)
            for i in range(1, n):
                self.opened.tap(tiles.nth(i))
        assert self.chosen() == rows
        return rows

    def chosen(self):
        tiles = self.gallery.locator(".tile[aria-pressed=true]")
        return tiles.evaluate_all("ts => ts.map(t => Number(t.dataset.row))")

    def drag(self, places):
        """Draw a line on the page with the mouse or a finger."""
        if self.way == "mouse":
            self.page.mouse.move(*places[0])
            self.page.mouse.down()
            for place in places[1:]:
                self.page.mouse.move(*place)
            self.page.mouse.up()
            return
        for kind, place in zip(
            ["touchStart"] + ["touchMove"] * (len(places) - 1), places, strict=True
        ):
            self.touch(kind, place)
        self.touch("touchEnd")

    def press_long(self, locator, slip=0):
        locator.scroll_into_view_if_needed()
        box = locator.bounding_box()
        x, y = box["x"] + 30, box["y"] + 30
        self.touch("touchStart", (x, y))
        if slip:
            self.touch("touchMove", (x + slip, y))
        self.page.wait_for_timeout(600)
        self.touch("touchEnd")

    def touch(self, kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        self.fingers.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    def button(self, name):
        return self.gallery.get_by_role("button", name=name, exact=True)


@pytest.fixture(params=WAYS)
def chooser(request, report, open_report):
    with open_report(report, **WAYS[request.param]) as opened:
        yield Chooser(opened, request.param)
        assert opened.page.evaluate("document.body.scrollWidth <= innerWidth")


def downloads_fit(opened, clusterer, **edits):
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    downloaded = json.loads(opened.download("edits.json"))
    assert downloaded == reference_edits(clusterer, **edits)


def test_ranges_all_and_none(chooser):
    """And what a gallery does with keys and presses while images are chosen in it."""
    page, gallery = chooser.page, chooser.gallery
    chooser.open(1)
    n_all = gallery.locator(".tile").count()
    first = chooser.choose_first(3)
    tiles = gallery.locator(".tile")
    if chooser.way == "mouse":
        tiles.nth(3).click(modifiers=["Shift"])
        tiles.nth(1).click(modifiers=["Shift"])  # a range may become smaller
        assert chooser.chosen() == first[:2]
        tiles.first.click()
        assert chooser.chosen() == first[1:2]
    if chooser.way == "keyboard":
        page.keyboard.press("Shift+ArrowLeft")
        assert chooser.chosen() == first[:2]
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Space")
        assert chooser.chosen() == first[1:2]
    if chooser.way == "touch":
        chooser.press(chooser.button("All"))
    else:
        page.keyboard.press("Control+a")
    assert len(chooser.chosen()) == n_all
    assert f"{n_all} images chosen" in gallery.text_content()
    assert gallery.locator(".how-to-choose:visible").count() == 1
    if chooser.way == "touch":
        chooser.press(chooser.button("None"))
    else:
        page.keyboard.press("Escape")
    assert chooser.chosen() == []
    assert gallery.is_visible()
    chooser.press(chooser.button("Choose several"))
    chooser.press(tiles.first)
    assert page.locator("dialog#detail").is_visible()


def test_a_finger_that_slips_does_not_choose(report, open_report):
    with open_report(report, **PHONE) as opened:
        chooser = Chooser(opened, "touch")
        chooser.open(1)
        chooser.press_long(chooser.gallery.locator(".tile").first, slip=25)
        assert chooser.chosen() == []


def test_a_new_group(chooser, clusterer, tmp_path):
    """The files say the same; undo takes it back, and redo makes it again."""
    opened, page = chooser.opened, chooser.page
    chooser.open(2)
    rows = chooser.choose_first(3)
    chooser.gallery.get_by_label("Move to").select_option("New group…")
    chooser.press(chooser.button("Move"))
    page.get_by_label("Name of the new group").fill(" odd, ones ")
    if chooser.way == "keyboard":
        page.keyboard.press("Enter")
    else:
        chooser.press(page.get_by_role("button", name="Make group"))
    assert chooser.gallery.locator(".tile").count() == len(members(clusterer, 2)) - 3
    assert chooser.chosen() == []
    opened.close()
    card = opened.card(4)
    assert "odd, ones3 images" in card.text_content()
    assert "the model never predicts it" in card.text_content()
    edits = {"groups": {4: "odd, ones"}, "moved": dict.fromkeys(sorted(rows), 4)}
    downloads_fit(opened, clusterer, **edits)
    expected = relabel(clusterer, Edits(**edits))
    for name in ("labels.csv", "edits.json"):
        (tmp_path / name).write_bytes(opened.download(name))
        corrected = relabel(clusterer, tmp_path / name)
        assert corrected.cluster_names_ == expected.cluster_names_
        np.testing.assert_array_equal(corrected.labels_, expected.labels_)
    if chooser.way == "keyboard":
        page.keyboard.press("Control+z")
    else:
        chooser.press(page.locator("#undo"))
    assert page.locator(".card").count() == 4
    downloads_fit(opened, clusterer)
    if chooser.way == "keyboard":
        page.keyboard.press("Control+Shift+z")
    else:
        chooser.press(page.locator("#redo"))
    downloads_fit(opened, clusterer, **edits)
    assert page.locator("#redo").is_disabled()


def test_leaving_out_and_putting_back(chooser, clusterer):
    opened, page = chooser.opened, chooser.page
    chooser.open(2)
    rows = chooser.choose_first(2)
    chooser.press(chooser.button("Leave out"))
    opened.close()
    downloads_fit(opened, clusterer, left_out=sorted(rows))
    listed = page.locator("#left-out")
    assert "Left out: 2 images" in listed.text_content()
    assert "left out, the model says cluster 2" in listed.locator(
        ".tile"
    ).first.get_attribute("aria-label")
    chooser.press(listed.get_by_role("button", name="See all"))
    (back,) = chooser.choose_first(1)
    chooser.press(chooser.button("Put back"))
    assert chooser.gallery.locator(".tile").count() == 1
    opened.close()
    downloads_fit(opened, clusterer, left_out=[row for row in rows if row != back])
    opened.reload()
    chooser.press(page.get_by_role("button", name="Put all back"))
    assert listed.is_hidden()
    downloads_fit(opened, clusterer)


def test_a_lasso(chooser, clusterer):
    """All images of the map; what is chosen may be moved."""
    page = chooser.page
    if chooser.way == "keyboard":
        chooser.press(page.locator("#map-lasso"))
        assert "in the frame" in page.locator("#map-current").text_content()
        for key in ("ArrowRight", "ArrowUp"):
            for _ in range(60):
                page.keyboard.press(f"Shift+{key}")
        said = page.locator("#map-current").text_content()
        assert said == "24 images in the frame"
        page.keyboard.press("Enter")
    else:
        chooser.press(page.locator("#map-lasso"))
        box = box_of_map(page)
        x, y = box["x"] + 2, box["y"] + 2
        right, low = x + box["width"] - 4, y + box["height"] - 4
        chooser.drag([(x, y), (right, y), (right, low), (x, low), (x, y + 9)])
    assert len(chooser.chosen()) == 24
    assert page.locator("#map-lasso").get_attribute("aria-pressed") == "false"
    chooser.gallery.get_by_label("Move to").select_option("3")
    chooser.press(chooser.button("Move"))
    chooser.opened.close()
    assert "24 images" in chooser.opened.card(3).text_content()


def box_of_map(page):
    canvas = page.locator("#map")
    canvas.evaluate("canvas => canvas.scrollIntoView({ block: 'center' })")
    return canvas.bounding_box()


def test_a_lasso_around_nothing_and_given_up(opened):
    page = opened.page
    box = box_of_map(page)
    x, y = box["x"] + 20, box["y"] + 9
    page.keyboard.down("Shift")  # without the button
    Chooser(opened, "mouse").drag([(x, y), (x + 6, y), (x + 6, y + 6)])
    page.keyboard.up("Shift")
    assert "No image" in page.locator("#status").text_content()
    page.locator("#map-lasso").focus()
    page.keyboard.press("Enter")
    assert page.locator("#lasso-hint").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#lasso-hint").is_hidden()
    page.keyboard.press("ArrowRight")  # the map has its keys back
    assert page.locator("#map-preview").is_visible()


def test_one_image_alone(opened, clusterer):
    """It is left out, put back, and made a group, on its own page."""
    page, row = opened.page, int(members(clusterer, 1)[0])
    page.locator("#search").fill(f"photo {row:02}")
    page.locator("#results .tile").click()
    detail = page.locator("dialog#detail")
    detail.get_by_role("button", name="Leave out").click()
    assert "it is in no cluster" in detail.text_content()
    assert page.locator("#results .tile").text_content() == "left out"
    detail.get_by_role("button", name="Put back").click()
    detail.get_by_label("Move to").select_option("New group…")
    detail.get_by_role("button", name="Move", exact=True).click()
    page.get_by_label("Name of the new group").fill("Cluster 2")
    page.get_by_role("button", name="Move there").click()
    assert "In cluster 2" in detail.text_content()
    assert page.evaluate("document.activeElement.ariaLabel") == "Close"
    opened.close()
    downloads_fit(opened, clusterer, moved={row: 2})


def test_a_group_without_images_is_gone(opened, clusterer):
    """What was merged into it keeps it."""
    page, rows = opened.page, members(clusterer, 1)[:2].tolist()
    load(opened, groups={4: "few", 5: "more"}, moved={rows[0]: 4, rows[1]: 5})
    assert page.locator(".card").count() == 6
    opened.move(f"photo {rows[0]:02}", into=2)
    assert page.locator(".card").count() == 5
    opened.merge(3, into=5)
    opened.move(f"photo {rows[1]:02}", into=2)
    edits = {
        "groups": {4: "more"}, "moved": dict.fromkeys(rows, 2), "merged": {3: 4},
    }  # fmt: skip
    downloads_fit(opened, clusterer, **edits)


def load(opened, **edits):
    """Put edits in, as if they had been made in this browser."""
    opened.page.evaluate(
        """step => localStorage.setItem(
          'sklearn-scan ' + JSON.parse(data.textContent).run,
          JSON.stringify([step]))""",
        {"kind": "load", "names": {}, "merged": {}, "moved": {}} | edits,
    )
    opened.reload()


def test_what_an_earlier_correction_left_out(open_report, clusterer, tmp_path):
    """It comes back where the model would have it; a new group stays unlearnt."""
    rows = members(clusterer, 2).tolist()
    moved = {rows[1]: 4}
    edits = Edits(left_out=rows[:1], groups={4: "odd"}, moved=moved, merged={1: 0})
    corrected = relabel(clusterer, edits)
    path = tmp_path / "report.html"
    y = np.arange(24) % 4
    write_report(path, corrected, make_images(), y=y, projection="pca")
    with open_report(path) as opened:
        downloads_fit(opened, corrected)
        heads = opened.page.locator("#confusion th[data-cluster]").all_text_contents()
        assert sorted(heads) == ["0", "2", "3", "odd"]
        left_out = opened.page.locator("#left-out .tile")
        assert "missing" not in left_out.get_attribute("class")
        assert "the model never predicts it" in opened.card(3).text_content()
        opened.page.get_by_role("button", name="Put all back").click()
        downloads_fit(opened, corrected, moved={rows[0]: 1})
        opened.page.locator("#undo").click()
        assert "Left out: 1 image" in opened.page.locator("#left-out").text_content()


@pytest.mark.parametrize("answer", ["Merge", "Keep both", "Cancel"])
def test_a_name_that_another_cluster_has(opened, clusterer, answer):
    page = opened.page
    opened.rename(1, "birds")
    opened.rename(3, "Birds ")
    ask = page.locator("dialog#ask")
    assert "Another cluster is called birds" in ask.text_content()
    ask.get_by_role("button", name=answer).click()
    edits = {
        "Merge": {"names": {1: "birds"}, "merged": {3: 1}},
        "Keep both": {"names": {1: "birds", 3: "Birds"}},
        "Cancel": {"names": {1: "birds"}},
    }
    downloads_fit(opened, clusterer, **edits[answer])


def test_labels_names_and_colours_are_those_of_relabel(
    opened, open_report, clusterer, tmp_path
):
    opened.merge(1, into=0)
    colors = [swatch_of(opened, cluster) for cluster in (0, 2, 3)]
    (tmp_path / "edits.json").write_bytes(opened.download("edits.json"))
    corrected = relabel(clusterer, tmp_path / "edits.json")
    assert corrected.cluster_names_ == ["cluster 0", "cluster 2", "cluster 3"]
    lines = opened.download("labels.csv").decode().splitlines()[1:]
    shown = [tuple(line.split(",")[:3]) for line in lines]
    rows = LabelTable.of(corrected).rows()
    assert shown == [(row.path, str(row.label), row.name) for row in rows]
    path = tmp_path / "report.html"
    write_report(path, corrected, make_images(), projection="pca")
    with open_report(path) as again:
        assert [swatch_of(again, cluster) for cluster in range(3)] == colors


def swatch_of(opened, cluster):
    swatch = opened.card(cluster).locator("h3 .swatch")
    return swatch.evaluate("s => getComputedStyle(s).backgroundColor")
