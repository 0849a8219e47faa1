"""The histogram of confidence and the number of unsure images open their images."""

import numpy as np
import pytest
from report_helpers import make_clusterer, make_images

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.report import write_report

CONFIDENCES = [0.9, 0.52, 0.8999, 0.95, 0.61, 0.89996, 0.87, 0.995, 0.64, 1.0]
UNREADABLE = 10
BELOW_90 = [1, 4, 8, 6, 2]  # the least confident first; 0.89996 is shown as 0.9000
ON_A_PHONE = {
    "viewport": {"width": 390, "height": 700},
    "has_touch": True,
    "color_scheme": "dark",
}


@pytest.fixture(scope="module")
def unsure(tmp_path_factory):
    clusterer = make_clusterer(11, 2)
    sure = np.array([*CONFIDENCES, np.nan])
    clusterer.probabilities_ = np.column_stack([sure, 1 - sure])
    clusterer.labels_ = np.zeros(11, dtype=int)
    clusterer.labels_[UNREADABLE] = -1
    clusterer.embedding_[UNREADABLE] = np.nan
    clusterer.bad_images_.append(UnreadableImage(UNREADABLE, "X[10]", "broken"))
    path = tmp_path_factory.mktemp("unsure") / "report.html"
    write_report(path, clusterer, make_images(11), projection="pca")
    return path


def rows_shown(page):
    return page.locator("#gallery .tile").evaluate_all(
        "tiles => tiles.map((tile) => Number(tile.dataset.row))"
    )


@pytest.mark.parametrize("settings", [{}, ON_A_PHONE])
@pytest.mark.parametrize("way", ["press", "key"])
def test_images_below_90_percent(unsure, open_report, settings, way):
    with open_report(unsure, **settings) as opened:
        page = opened.page
        sentence = page.get_by_role("button", name="5 images below 90\u00a0%: see them")
        if way == "key":
            sentence.focus()
            page.keyboard.press("Enter")
        elif settings:
            opened.tap(sentence)
        else:
            sentence.click()
        assert rows_shown(page) == BELOW_90
        title = page.locator("#gallery-title").text_content()
        assert title == "Images with a confidence below 90\u00a0%"
        page.locator("#gallery .tile").first.click()
        assert "X[1]" in page.locator("#detail h2").text_content()
        opened.close()
        opened.close()
        assert "below" in page.evaluate("document.activeElement.textContent")


@pytest.mark.parametrize("settings", [{}, ON_A_PHONE])
def test_bars(unsure, open_report, settings):
    with open_report(unsure, **settings) as opened:
        page = opened.page
        bar = page.get_by_role("button", name="60 to 65\u00a0%: 2 images")
        if settings:
            opened.tap(bar)
        else:
            bar.click()
        assert rows_shown(page) == [4, 8]
        title = page.locator("#gallery-title").text_content()
        assert title == "Images with a confidence of 60 to 65\u00a0%"
        opened.close()
        last = page.get_by_role("button", name="95 to 100\u00a0%: 3 images")
        last.click()  # with 1.0, which begins no bar
        assert rows_shown(page) == [3, 7, 9]


def test_bars_by_keyboard(unsure, open_report):
    """They are one stop of the Tab key; arrows go through those with images."""
    with open_report(unsure) as opened:
        page, keys = opened.page, opened.page.keyboard
        page.locator("#sizes button").last.focus()
        keys.press("Tab")
        names = []
        for _ in range(5):
            names.append(page.evaluate("document.activeElement.ariaLabel"))
            keys.press("ArrowRight")
        assert names == [
            "50 to 55\u00a0%: 1 image",
            "60 to 65\u00a0%: 2 images",
            "85 to 90\u00a0%: 2 images",
            "90 to 95\u00a0%: 2 images",
            "95 to 100\u00a0%: 3 images",
        ]
        keys.press("Enter")
        assert rows_shown(page) == [3, 7, 9]
        opened.close()
        keys.press("Tab")
        assert "below" in page.evaluate("document.activeElement.textContent")
        empty = page.get_by_role("button", name="0 to 5\u00a0%: 0 images")
        assert empty.is_disabled()


def test_all_are_sure(open_report, tmp_path):
    clusterer = make_clusterer(8, 2)
    clusterer.labels_[:] = 0
    clusterer.probabilities_ = np.tile([0.97, 0.03], (8, 1))
    write_report(tmp_path / "report.html", clusterer, make_images(8), projection="pca")
    with open_report(tmp_path / "report.html") as opened:
        text = "0 images below 90\u00a0%"
        assert opened.page.get_by_text(text).is_visible()
        assert opened.page.get_by_role("button", name=text).count() == 0
