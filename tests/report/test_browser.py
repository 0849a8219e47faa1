"""The report in a real browser: what people see."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from report_helpers import (
    N_IMAGES,
    make_clusterer,
    make_images,
    members,
    reference_csv,
)

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.report import write_report


def test_what_it_shows(opened, clusterer):
    page = opened.page
    assert page.title() == "Holidays · clusters"
    assert page.locator("h1").text_content() == "Holidays"
    assert page.locator(".card").count() == 4
    for cluster in range(4):
        size = len(members(clusterer, cluster))
        assert f"{size} images" in opened.card(cluster).text_content()
        assert opened.card(cluster).locator(".card-proto .tile").count() == 1
    for text in ("Accuracy", "NMI", "ARI", "Top-5", "n_clusters", "Time by stage"):
        assert page.get_by_text(text, exact=False).first.is_visible()
    assert page.locator("#confusion tbody tr").count() == 4
    assert page.locator("#curves svg").count() >= 2
    assert page.locator("#confidence .bin").count() == 20


def test_thumbnails_are_of_the_images(opened, clusterer):
    """The colour in the middle of a prototype's tile is that of its image."""
    tile = opened.card(0).locator(".card-proto .tile")
    tile.locator("img[src]").evaluate("img => img.decode()")
    row = int(tile.get_attribute("data-row"))
    assert clusterer.labels_[row] == 0
    image = load_png(tile.screenshot())
    middle = image[image.shape[0] // 2, image.shape[1] // 2]
    np.testing.assert_allclose(middle, make_images(N_IMAGES)[row, 0, 0], atol=12)


def load_png(content):
    return np.asarray(Image.open(BytesIO(content)).convert("RGB"), dtype=int)


def test_the_search_and_the_filter(opened):
    page = opened.page
    page.locator("#search").fill("PHOTO 1")
    assert page.locator("#results-title").text_content() == "10 images found"
    assert page.locator("#results .tile").count() == 10
    said = page.get_by_role("status").filter(has_text="10 images found")
    assert said.count() == 1
    page.locator("#search").fill("nowhere")
    assert page.locator("#results .tile").count() == 0
    page.keyboard.press("Escape")
    assert page.locator("#results").is_hidden()
    assert page.get_by_role("status").filter(has_text="found").count() == 0
    page.locator("#cluster-filter").fill("cluster 2")
    assert page.locator(".card").count() == 1
    assert page.get_by_role("status").filter(has_text="1 cluster").count() == 1
    page.locator("#cluster-filter").fill("dog")
    assert page.locator("#no-cards").is_visible()


def test_all_images_of_a_cluster(opened, clusterer):
    page = opened.page
    opened.act(1, "all")
    gallery = page.locator("dialog#gallery")
    rows = members(clusterer, 1)
    assert gallery.locator(".tile").count() == len(rows)
    gallery.get_by_label("Order").select_option("name")
    shown = gallery.locator(".tile").evaluate_all("ts => ts.map(t => t.dataset.row)")
    assert shown == [str(row) for row in rows]
    gallery.get_by_label("Filter by file name").fill(f"photo {rows[2]:02}")
    assert gallery.locator(".tile").count() == 1


def test_one_image_and_those_beside_it(opened, clusterer):
    page = opened.page
    tile = opened.card(0).locator(".strip .tile").first
    tile.click()
    dialog = page.locator("dialog#detail")
    row = int(tile.get_attribute("data-row"))
    assert f"photo {row:02}.png" in dialog.locator("h2").text_content()
    assert dialog.locator(".likely dt").count() == 3
    neighbors = dialog.locator(".strip .tile").evaluate_all(
        "ts => ts.map(t => Number(t.dataset.row))"
    )
    assert neighbors == clusterer.neighbors_.indices[row].tolist()
    page.keyboard.press("ArrowRight")
    assert f"photo {row:02}.png" not in dialog.locator("h2").text_content()
    page.keyboard.press("ArrowLeft")
    assert f"photo {row:02}.png" in dialog.locator("h2").text_content()


def test_the_map(opened):
    """Pointing shows an image, a press opens it, and thumbnails may be drawn."""
    page = opened.page
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#map-preview").is_visible()
    first = page.locator("#map-current").text_content()
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert "photo" in first
    page.keyboard.press("Enter")
    assert page.locator("dialog#detail").is_visible()
    opened.close()
    page.keyboard.press("Escape")
    assert page.locator("#map-preview").is_hidden()
    for button in ("Thumbnails", "Zoom in", "Zoom out", "Reset"):
        opened.button(button).click()


def test_pointing_at_the_map(opened):
    page = opened.page
    page.locator("#map").evaluate("map => map.scrollIntoView({ block: 'center' })")
    box = page.locator("#map").bounding_box()
    places = np.random.default_rng(0).random((300, 2)) * [box["width"], box["height"]]
    for x, y in places:  # until one is near an image
        page.mouse.move(box["x"] + x, box["y"] + y)
        page.evaluate("new Promise(requestAnimationFrame)")  # it is told once a frame
        if page.locator("#map-preview").is_visible():
            break
    assert "confident" in page.locator("#map-preview").text_content()
    page.mouse.click(box["x"] + x, box["y"] + y)
    assert page.locator("dialog#detail").is_visible()


def test_what_is_put_into_the_page_does_not_run(report, open_report):
    """The content security policy: no other script, no address, no form."""
    with open_report(report, may_complain=True) as opened:
        with opened.page.expect_console_message(
            lambda message: "Content Security Policy" in message.text
        ):
            opened.page.evaluate(
                """() => {
                  const script = document.createElement("script");
                  script.textContent = "window.hacked = 1";
                  document.body.append(script);
                  document.body.insertAdjacentHTML("beforeend",
                    "<img src='https://example.org/x' onerror='hacked = 1'>");
                  const image = document.body.lastElementChild;
                  return new Promise((resolve) => {
                    image.addEventListener("error", resolve);
                  });
                }"""
            )
        assert opened.page.evaluate("window.hacked") is None


def test_unreadable_images(open_report, tmp_path):
    """They are listed with their reason, found by the search, and not to be moved."""
    clusterer = make_clusterer(12, 2)
    reason = "truncated <b>file</b>"
    for row in (3, 7):
        clusterer.labels_[row] = -1
        clusterer.probabilities_[row] = np.nan
        clusterer.embedding_[row] = np.nan
        clusterer.confident_[row] = False
        clusterer.bad_images_.append(UnreadableImage(row, f"X[{row}]", reason))
    path = tmp_path / "report.html"
    write_report(path, clusterer, make_images(12))
    with open_report(path) as opened:
        page = opened.page
        listed = page.locator("#unreadable-list tr")
        assert listed.count() == 2
        assert listed.first.text_content() == f"X[3]{reason}"
        page.locator("#search").fill("X[3]")
        page.locator("#results .tile").click()
        dialog = page.locator("dialog#detail")
        assert reason in dialog.text_content()
        assert dialog.get_by_label("Move to").count() == 0
        opened.close()
        assert opened.download("labels.csv") == reference_csv(clusterer)


@pytest.mark.parametrize(("n_images", "n_clusters"), [(2, 1), (2, 2), (9, 1), (40, 30)])
def test_few_images_and_clusters(open_report, tmp_path, n_images, n_clusters):
    clusterer = make_clusterer(n_images, 1)
    clusterer.labels_ = np.arange(n_images) % n_clusters
    clusterer.cluster_names_ = [f"cluster {c}" for c in range(n_clusters + 1)]
    last = np.zeros((n_images, n_clusters + 1))  # and one cluster is empty
    last[np.arange(n_images), clusterer.labels_] = 1
    clusterer.probabilities_ = last
    path = tmp_path / "report.html"
    write_report(path, clusterer, make_images(n_images))
    with open_report(path) as opened:
        assert opened.page.locator(".card").count() == n_clusters + 1
        empty = opened.card(n_clusters)
        empty.get_by_text("No image is in this cluster").wait_for()
        opened.merge(n_clusters, into=0)
        edits = {"merged": {n_clusters: 0}}
        assert opened.download("labels.csv") == reference_csv(clusterer, **edits)


@pytest.mark.parametrize(("scheme", "level"), [("light", 255), ("dark", 0)])
def test_images_like_the_page_have_an_edge(open_report, tmp_path, scheme, level):
    """A white image is no hole in a light page, nor a black one in a dark page."""
    write_report(
        tmp_path / "report.html",
        make_clusterer(8, 2),
        np.full((8, 16, 16), level, dtype=np.uint8),
        projection="pca",
    )
    with open_report(tmp_path / "report.html", color_scheme=scheme) as opened:
        tile = opened.card(0).locator(".card-proto .tile")
        tile.locator("img[src]").evaluate("img => img.decode()")
        shown = load_png(tile.screenshot())
        edge, middle = shown[len(shown) // 2, :3].mean(axis=1), shown[8:-8, 8:-8]
        assert abs(middle - level).max() <= 2
        assert abs(edge - level).max() > 10
