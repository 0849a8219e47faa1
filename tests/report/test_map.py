"""The map by fingers, wheel, mouse and keys."""

from itertools import pairwise

import numpy as np
import pytest
from report_helpers import make_clusterer, make_images

from sklearn_scan.report import write_report
from sklearn_scan.results import embedding_map

PHONE = {"viewport": {"width": 390, "height": 700}, "has_touch": True}
DESK = {"viewport": {"width": 1400, "height": 900}}


def picture_of(opened):
    """Return what is on the map, once it is drawn."""
    return opened.page.evaluate(
        """() => new Promise((resolve) => {
          const drawn = () => resolve(document.getElementById("map").toDataURL());
          requestAnimationFrame(() => requestAnimationFrame(drawn));
        })"""
    )


class Fingers:
    """Fingers on the map, moved in steps."""

    def __init__(self, opened):
        opened.page.locator("#map").scroll_into_view_if_needed()
        self.session = opened.page.context.new_cdp_session(opened.page)
        box = opened.page.locator("#map").bounding_box()
        self.middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]

    def touch(self, kind, places):
        x, y = self.middle
        points = [{"x": x + a, "y": y + b, "id": i} for i, (a, b) in enumerate(places)]
        self.session.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )

    def move(self, *path):
        """Put fingers down, move them from place to place, and lift them."""
        self.touch("touchStart", path[0])
        for before, after in pairwise(path):
            for step in range(1, 6):
                places = [
                    (a + (c - a) * step / 5, b + (d - b) * step / 5)
                    for (a, b), (c, d) in zip(before, after, strict=True)
                ]
                self.touch("touchMove", places)
        self.touch("touchEnd", [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pinch(report, open_report, scheme):
    with open_report(report, color_scheme=scheme, **PHONE) as opened:
        fingers = Fingers(opened)
        was_at = opened.page.evaluate("scrollY")
        whole = picture_of(opened)
        # a little: of a part there may be nothing to see
        fingers.move([(-20, -20), (20, 20)], [(-30, -30), (30, 30)])
        near = picture_of(opened)
        assert near != whole
        fingers.move([(0, 0)], [(10, -60)])  # one finger moves what is zoomed
        moved = picture_of(opened)
        assert moved != near
        assert opened.page.evaluate("[scrollY, visualViewport.scale]") == [was_at, 1]
        assert opened.page.locator("dialog[open]").count() == 0
        opened.tap(opened.button("Reset"))
        assert picture_of(opened) == whole


def test_one_finger_scrolls_the_page(report, open_report):
    with open_report(report, **PHONE) as opened:
        fingers = Fingers(opened)
        was_at = opened.page.evaluate("scrollY")
        whole = picture_of(opened)
        fingers.move([(0, 100)], [(0, -100)])
        opened.page.wait_for_function("was => scrollY > was", arg=was_at)
        assert picture_of(opened) == whole
        assert opened.page.locator("dialog[open]").count() == 0


def test_wheel_and_mouse(report, open_report):
    with open_report(report, **DESK) as opened:
        page, mouse = opened.page, opened.page.mouse
        page.locator("#map").scroll_into_view_if_needed()
        box = page.locator("#map").bounding_box()
        x, y = box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"]
        mouse.move(x, y)
        mouse.wheel(0, 60)
        page.wait_for_function("() => scrollY > 0")
        mouse.wheel(0, -600)
        page.wait_for_function("() => scrollY === 0")
        mouse.move(0, 0)
        whole = picture_of(opened)
        mouse.move(x, y)
        page.keyboard.down("Control")
        mouse.wheel(0, -200)
        page.keyboard.up("Control")
        mouse.move(0, 0)
        near = picture_of(opened)
        assert near != whole
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + 50, y + 20, steps=4)
        mouse.up()
        mouse.move(0, 0)
        assert picture_of(opened) not in (whole, near)
        assert page.evaluate("scrollY") == 0
        assert page.locator("dialog[open]").count() == 0


def test_keys_go_to_images_out_of_view(report, open_report):
    """Zoomed, the map follows the image that the arrow keys go to."""
    with open_report(report, **DESK) as opened:
        page = opened.page
        page.locator("#map").focus()
        for _ in range(8):
            page.keyboard.press("+")
        box = page.locator("#map").bounding_box()
        for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
            preview = page.locator("#map-preview")
            assert preview.is_visible()
            shown = preview.bounding_box()
            assert shown["x"] >= box["x"] - 1
            assert shown["x"] + shown["width"] <= box["x"] + box["width"] + 1


@pytest.mark.parametrize("settings", [DESK, PHONE])
def test_the_map_says_how_to_zoom_and_move(report, open_report, settings):
    with open_report(report, **settings) as opened:
        help_text = opened.page.locator(".map-help")
        assert help_text.is_visible()
        for word in ("Ctrl", "wheel", "two fingers", "drag", "arrow keys"):
            assert word in help_text.text_content()
        assert opened.page.locator("#map-between").count() == 0


def test_the_map_says_what_was_not_laid_out(tmp_path, open_report, monkeypatch):
    monkeypatch.setattr(embedding_map, "_LANDMARKS", 30)
    write_report(tmp_path / "report.html", make_clusterer(40, 2), make_images(40))
    with open_report(tmp_path / "report.html") as opened:
        text = opened.page.locator("#map-between").text_content()
        assert text.startswith("10 of the")


@pytest.mark.parametrize("zoom", [False, True])
def test_a_tap_opens_an_image_which_stays_open(report, open_report, zoom):
    with open_report(report, **PHONE) as opened:
        page = opened.page
        page.locator("#map").scroll_into_view_if_needed()
        if zoom:
            opened.tap(opened.button("Zoom in"))
        box = page.locator("#map").bounding_box()
        places = np.random.default_rng(0).random((200, 2))
        for place in places * [box["width"], box["height"]]:
            page.touchscreen.tap(box["x"] + place[0], box["y"] + place[1])
            if page.locator("dialog#detail").is_visible():
                break
        page.wait_for_timeout(300)  # for what else browsers make of a tap
        assert page.locator("dialog#detail h2").is_visible()
