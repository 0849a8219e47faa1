"""The whole photo of an image, and the way to its file."""

import os
from urllib.parse import unquote_to_bytes, urlsplit

import numpy as np
import pytest
from PIL import Image
from report_helpers import make_clusterer, make_images, write_images

from sklearn_scan.report import write_report

NAMES = [
    "plain.png",
    "a b/with spaces.png",
    "a b/50%.png",
    "a b/100%20.png",
    "which?.png",
    "no #1.png",
    "x:y.png",
    "back\\slash.png",
    "ü 😀.png",
    "a&b=c;d+e,f.png",
    "'single' \"double\".png",
    os.fsdecode(b"not utf-8 \xff\x80.png"),
]
DESK = {"viewport": {"width": 1400, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 700}, "has_touch": True}


def open_image(opened, row):
    """Open an image from the gallery of all."""
    opened.page.locator("#search").fill(".")
    opened.page.locator(f"#results .tile[data-row='{row}']").click()
    return opened.page.locator("dialog#detail")


def path_of(address):
    return os.fsdecode(unquote_to_bytes(urlsplit(address).path))


@pytest.mark.parametrize("place", ["photos/report.html", "out/deep/#1 report?.html"])
def test_links_lead_to_the_files(tmp_path, open_report, place):
    """From beside the photos or from elsewhere, whatever is in the names."""
    try:
        paths = write_images(tmp_path / "photos", NAMES)
    except OSError:
        pytest.skip("this file system refuses such names")
    page = tmp_path / place
    page.parent.mkdir(parents=True, exist_ok=True)
    write_report(page, make_clusterer(len(paths), 2, names=paths), paths)
    with open_report(page) as opened:
        link = open_image(opened, 0).get_by_role("link", name="Open the file")
        for path in paths:
            written = link.get_attribute("href")
            assert not written.startswith(("file:", "/")), written
            assert path_of(link.evaluate("link => link.href")) == path
            opened.page.keyboard.press("ArrowRight")
        with opened.page.context.expect_page() as info:
            link.click()
        info.value.wait_for_load_state()
        assert info.value.locator("img").evaluate("img => img.naturalWidth") == 16
        hint = opened.page.get_by_text("Opens only on a computer that has the file")
        assert hint.is_visible()


@pytest.mark.parametrize("settings", [DESK, PHONE | {"color_scheme": "dark"}])
def test_the_path_is_copied(tmp_path, open_report, settings):
    paths = write_images(tmp_path, [f"a {i}.png" for i in range(4)])
    page = tmp_path / "report.html"
    write_report(page, make_clusterer(4, 2, names=paths), paths)
    permissions = ["clipboard-read", "clipboard-write"]
    with open_report(page, permissions=permissions, **settings) as opened:
        button = open_image(opened, 2).get_by_role("button", name="Copy path")
        if settings is DESK:
            button.press("Enter")
        else:
            opened.tap(button)
        opened.expect(opened.page.locator("#status")).to_have_text("Copied the path.")
        copied = opened.page.evaluate("() => navigator.clipboard.readText()")
        assert copied == paths[2]


def test_a_page_that_may_not_copy(tmp_path, open_report):
    paths = write_images(tmp_path, [f"{i}.png" for i in range(4)])
    page = tmp_path / "report.html"
    write_report(page, make_clusterer(4, 2, names=paths), paths)
    with open_report(page) as opened:
        opened.page.evaluate(
            "() => { navigator.clipboard.writeText = () => Promise.reject() }"
        )
        open_image(opened, 1).get_by_role("button", name="Copy path").click()
        opened.expect(opened.page.locator("#status")).to_contain_text(paths[1])


def test_images_without_files(tmp_path, open_report, clusterer):
    """Arrays, and files that are gone."""
    page = tmp_path / "report.html"
    paths = write_images(tmp_path, [f"{i}.png" for i in range(4)])
    clusterer = make_clusterer(4, 2, names=paths)
    os.remove(paths[2])
    with pytest.warns(UserWarning, match="1 of 4 images cannot be read"):
        write_report(page, clusterer, paths)
    with open_report(page) as opened:
        assert open_image(opened, 2).locator("a").count() == 0
        opened.close()
        assert open_image(opened, 3).locator("a").count() == 1
    write_report(page, make_clusterer(4, 2), make_images(4))
    with open_report(page) as opened:
        opened.card(0).locator(".tile").first.click()
        assert opened.page.locator("#detail a").count() == 0
        assert opened.page.get_by_role("button", name="Copy path").count() == 0


def test_files_among_images_in_memory(tmp_path, open_report, monkeypatch):
    """Relative paths lead to their files from wherever the page is."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path, ["a.png", "b.png"])
    images = [Image.fromarray(pixels) for pixels in make_images(4)]
    images[1], images[3] = Image.open("b.png"), Image.open(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    page = tmp_path / "out" / "report.html"
    write_report(page, make_clusterer(4, 2), images)
    with open_report(page) as opened:
        links = [open_links(opened, row) for row in range(4)]
    # without a common folder, absolute paths have no link
    assert links == [[], ["../b.png"], [], []]


def open_links(opened, row):
    """Return where the links of an image lead to."""
    opened.page.locator("#search").fill("")
    opened.page.locator("#clusters").evaluate("all => all.scrollIntoView()")
    opened.page.locator(f"#clusters .tile[data-row='{row}']").first.click()
    links = opened.page.locator("#detail a")
    addresses = links.evaluate_all("ls => ls.map((l) => l.getAttribute('href'))")
    opened.close()
    return addresses


def test_a_folder_that_has_moved(tmp_path, open_report):
    """Links lead to where the files are now."""
    paths = write_images(tmp_path / "now", [f"{i}.png" for i in range(4)])
    was = [f"/elsewhere/{i}.png" for i in range(4)]
    page = tmp_path / "report.html"
    write_report(page, make_clusterer(4, 2, names=was), paths)
    with open_report(page) as opened:
        link = open_image(opened, 1).get_by_role("link", name="Open the file")
        assert link.get_attribute("href") == "now/1.png"


def test_files_on_another_drive(tmp_path, open_report, monkeypatch):
    """No relative address leads there."""

    def relpath(path, start):
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    paths = write_images(tmp_path / "a #b", [f"{i}.png" for i in range(4)])
    monkeypatch.setattr(os.path, "relpath", relpath)
    page = tmp_path / "report.html"
    write_report(page, make_clusterer(4, 2, names=paths), paths)
    with open_report(page) as opened:
        link = open_image(opened, 1).get_by_role("link", name="Open the file")
        assert link.get_attribute("href").startswith("file:///")
        assert path_of(link.evaluate("link => link.href")) == paths[1]


@pytest.mark.parametrize("settings", [DESK, PHONE])
def test_the_whole_photo_is_shown(tmp_path, open_report, settings):
    """Uncut and in its shape, where tiles are square."""
    paths = write_images(tmp_path, [f"{i}.png" for i in range(4)])
    wide = np.zeros((100, 300, 3), dtype=np.uint8)
    wide[:, :20] = (255, 0, 0)
    Image.fromarray(wide).save(paths[0])
    Image.fromarray(np.ascontiguousarray(wide.swapaxes(0, 1))).save(paths[1])
    page = tmp_path / "report.html"
    write_report(page, make_clusterer(4, 2, names=paths), paths)
    with open_report(page, **settings) as opened:
        for row, shape in ((0, 3), (1, 1 / 3)):
            picture = open_image(opened, row).locator(".large img[src]")
            picture.evaluate("img => img.decode()")
            ratio, fit = picture.evaluate(
                "img => [img.naturalWidth / img.naturalHeight, "
                "getComputedStyle(img).objectFit]"
            )
            assert abs(ratio - shape) < 0.01
            assert fit == "contain"
            box = picture.bounding_box()
            height = opened.page.viewport_size["height"]
            assert box["height"] <= 0.61 * height
            opened.close()
        tile = opened.page.locator("#results .tile[data-row='0']").bounding_box()
        assert abs(tile["width"] - tile["height"]) < 1
