"""The report in a real browser: what people see and do."""

import json

import numpy as np
import pytest
from report_helpers import (
    make_clusterer,
    make_images,
    reference_csv,
    reference_edits,
)

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.report import write_report

N_IMAGES = 24


@pytest.fixture(scope="module")
def names():
    return [f"/photos/set/photo {i:02}.png" for i in range(N_IMAGES)]


@pytest.fixture(scope="module")
def clusterer(names):
    return make_clusterer(N_IMAGES, names=names)


@pytest.fixture(scope="module")
def report(clusterer, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    y = np.array(["a", "b", "c", "d"])[np.arange(N_IMAGES) % 4]
    write_report(path, clusterer, make_images(N_IMAGES), y=y, title="Holidays")
    return path


@pytest.fixture
def opened(report, open_report):
    with open_report(report) as opened:
        yield opened


def members(clusterer, cluster):
    return np.flatnonzero(clusterer.labels_ == cluster)


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
    assert page.locator("#confidence svg rect").count() == 20


def test_thumbnails_are_of_the_images(opened, clusterer):
    """The colour in the middle of a prototype's tile is that of its image."""
    page = opened.page
    tile = opened.card(0).locator(".card-proto .tile")
    opened.card(0).locator(".card-proto .tile[style*='blob:']").wait_for()
    row = int(tile.get_attribute("data-row"))
    box = tile.bounding_box()
    middle = {"x": box["x"] + 40, "y": box["y"] + 40, "width": 2, "height": 2}
    assert clusterer.labels_[row] == 0
    image = load_png(page.screenshot(clip=middle))
    np.testing.assert_allclose(image[0, 0], make_images(N_IMAGES)[row, 0, 0], atol=12)


def load_png(content):
    from io import BytesIO

    from PIL import Image

    return np.asarray(Image.open(BytesIO(content)).convert("RGB"), dtype=int)


def test_the_search_and_the_filter(opened):
    page = opened.page
    page.locator("#search").fill("PHOTO 1")
    assert page.locator("#results-title").text_content() == "10 images found"
    assert page.locator("#results .tile").count() == 10
    page.locator("#search").fill("nowhere")
    assert page.locator("#results .tile").count() == 0
    page.keyboard.press("Escape")
    assert page.locator("#results").is_hidden()
    page.locator("#cluster-filter").fill("cluster 2")
    assert page.locator(".card").count() == 1
    page.locator("#cluster-filter").fill("dog")
    assert page.locator("#no-cards").is_visible()


def test_nothing_changed(opened, clusterer):
    assert opened.download("labels.csv") == reference_csv(clusterer)
    assert json.loads(opened.download("edits.json")) == reference_edits(clusterer)


def test_edits_and_their_downloads(opened, clusterer):
    row = int(members(clusterer, 0)[0])
    opened.rename(0, 'cats, "big"')
    opened.rename(2, "dogs 😀")
    opened.merge(3, into=0)
    opened.move(f"photo {row:02}", into=2)
    edits = {
        "names": {0: 'cats, "big"', 2: "dogs 😀"},
        "merged": {3: 0},
        "moved": {row: 2},
    }
    assert opened.page.locator(".card").count() == 3
    sizes = [len(members(clusterer, c)) for c in range(4)]
    assert f"{sizes[0] + sizes[3] - 1} images" in opened.card(0).text_content()
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    downloaded = json.loads(opened.download("edits.json"))
    assert downloaded == reference_edits(clusterer, **edits)


def test_merges_that_follow_one_another(opened, clusterer):
    row = int(members(clusterer, 0)[0])
    opened.rename(3, "lost with the merge")
    opened.merge(3, into=1)
    opened.move(f"photo {row:02}", into=1)
    opened.merge(1, into=2)
    edits = {"merged": {3: 2, 1: 2}, "moved": {row: 2}}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    downloaded = json.loads(opened.download("edits.json"))
    assert downloaded == reference_edits(clusterer, **edits)


def test_moved_there_and_merged_there_is_no_move(opened, clusterer):
    row = int(members(clusterer, 3)[0])
    opened.move(f"photo {row:02}", into=1)
    opened.merge(3, into=1)
    edits = {"merged": {3: 1}}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    downloaded = json.loads(opened.download("edits.json"))
    assert downloaded == reference_edits(clusterer, **edits)


def test_undo(opened, clusterer):
    undo = opened.page.locator("#undo")
    assert undo.is_disabled()
    opened.rename(1, "birds")
    opened.merge(2, into=1)
    assert undo.text_content() == "Undo (2)"
    undo.click()
    assert opened.page.locator(".card").count() == 4
    assert "birds" in opened.card(1).text_content()
    opened.page.locator("body").press("Control+z")
    assert "cluster 1" in opened.card(1).text_content()
    assert undo.is_disabled()
    assert opened.download("labels.csv") == reference_csv(clusterer)


def test_a_name_of_spaces_takes_the_name_back(opened, clusterer):
    opened.rename(1, "birds")
    opened.rename(1, "  ")
    assert opened.download("labels.csv") == reference_csv(clusterer)


def test_edits_survive_a_reload(opened, clusterer):
    opened.rename(1, "birds")
    opened.merge(2, into=1)
    opened.page.reload()
    opened.page.wait_for_selector("html[data-ready]")
    assert opened.page.locator(".card").count() == 3
    assert "birds" in opened.card(1).text_content()
    edits = {"names": {1: "birds"}, "merged": {2: 1}}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    opened.page.locator("#undo").click()
    assert opened.page.locator(".card").count() == 4


@pytest.mark.parametrize(
    "stored", ["{", '[{"kind":"merge","cluster":9,"into":0}]', "3"]
)
def test_what_is_stored_may_be_damaged(opened, stored):
    key = opened.page.evaluate("'sklearn-scan ' + JSON.parse(data.textContent).run")
    opened.page.evaluate("([k, v]) => localStorage.setItem(k, v)", [key, stored])
    opened.page.reload()
    opened.page.wait_for_selector("html[data-ready]")
    assert opened.page.locator(".card").count() == 4


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


def test_several_images_are_moved_at_once(opened, clusterer):
    page = opened.page
    opened.act(1, "all")
    gallery = page.locator("dialog#gallery")
    gallery.get_by_role("button", name="Choose several").click()
    rows = [int(row) for row in members(clusterer, 1)[:3]]
    for row in [*rows, int(members(clusterer, 1)[3])]:
        gallery.locator(f".tile[data-row='{row}']").click()
    gallery.locator(f".tile[data-row='{members(clusterer, 1)[3]}']").click()  # not it
    gallery.get_by_label("Move to").select_option("0")
    gallery.get_by_role("button", name="Move", exact=True).click()
    assert gallery.locator(".tile").count() == len(members(clusterer, 1)) - 3
    page.keyboard.press("Escape")
    edits = {"moved": dict.fromkeys(rows, 0)}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    page.locator("#undo").click()
    assert opened.download("labels.csv") == reference_csv(clusterer)


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
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.locator("#map-preview").is_hidden()
    for button in ("Thumbnails", "Zoom in", "Zoom out", "Reset"):
        opened.button(button).click()


def test_pointing_at_the_map(opened):
    page = opened.page
    box = page.locator("#map").bounding_box()
    places = np.random.default_rng(0).random((300, 2)) * [box["width"], box["height"]]
    for x, y in places:  # until one is near an image
        page.mouse.move(box["x"] + x, box["y"] + y)
        if page.locator("#map-preview").is_visible():
            break
    assert "confident" in page.locator("#map-preview").text_content()
    page.mouse.click(box["x"] + x, box["y"] + y)
    assert page.locator("dialog#detail").is_visible()


def test_by_keyboard_alone(opened, clusterer):
    page = opened.page
    keys = page.keyboard
    keys.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    keys.type("photo 03")
    assert page.locator("#results .tile").count() == 1
    keys.press("Escape")
    opened.card(0).locator("[data-action=rename]").focus()
    keys.press("Enter")
    keys.type("by keys")
    keys.press("Enter")
    assert focused(page, "action") == "rename"
    assert "by keys" in opened.card(0).text_content()
    keys.press("Tab")
    assert focused(page, "action") == "merge"
    keys.press("Tab")  # the prototype
    keys.press("Tab")  # the most confident, one stop
    first = focused(page, "row")
    keys.press("ArrowRight")
    assert focused(page, "row") != first
    keys.press("Enter")
    assert page.locator("dialog#detail").is_visible()
    keys.press("Escape")
    assert page.locator("dialog#detail").is_hidden()
    assert focused(page, "row") != first
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    keys.press("Control+z")
    assert "cluster 0" in opened.card(0).text_content()


def focused(page, name):
    return page.evaluate("name => document.activeElement.dataset[name]", name)


def test_focus_returns_to_what_an_edit_replaced(opened, clusterer):
    page = opened.page
    tile = opened.card(0).locator(".strip .tile").first
    tile.focus()
    row = tile.get_attribute("data-row")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    page.locator("#detail").get_by_role("button", name="Move", exact=True).click()
    page.keyboard.press("Escape")
    assert focused(page, "row") == row


def test_every_control_has_a_name(opened):
    """What a screen reader is told of buttons and fields is never nothing."""
    page = opened.page
    opened.act(0, "all")
    opened.page.locator("dialog#gallery .tile").first.click()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, select, input, canvas")].filter((e) =>
        !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).length"""
    )
    assert nameless == 0
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def relative_luminance(rgb):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    lighter, darker = sorted([relative_luminance(a), relative_luminance(b)])[::-1]
    return (lighter + 0.05) / (darker + 0.05)


PAIRS = [
    *[(text, ground) for text in ("ink", "muted", "accent")
      for ground in ("ground", "panel", "sunken")],
    ("on-accent", "accent"), ("ink", "heat"),
]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_theme(report, open_report, scheme):
    """Texts keep to WCAG AA; the theme follows the system, until one is chosen."""
    with open_report(report, color_scheme=scheme) as opened:
        colors = opened.page.evaluate(
            """(names) => names.map((name) => {
              const probe = document.body.appendChild(document.createElement("i"));
              probe.style.color = `var(--${name})`;
              const color = getComputedStyle(probe).color;
              probe.remove();
              return color.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255);
            })""",
            sorted({name for pair in PAIRS for name in pair}),
        )
        colors = dict(zip(sorted({n for p in PAIRS for n in p}), colors, strict=True))
        for text, ground in PAIRS:
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        assert (relative_luminance(colors["ground"]) < 0.1) == (scheme == "dark")
        theme = opened.page.locator("#theme")
        assert theme.get_attribute("aria-pressed") == str(scheme == "dark").lower()
        theme.click()
        opened.page.reload()
        opened.page.wait_for_selector("html[data-ready]")
        assert theme.get_attribute("aria-pressed") == str(scheme != "dark").lower()
        colors = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(json.loads(f"[{colors[4:-1]}]")) < 120) == (scheme != "dark")


@pytest.mark.parametrize("width", [360, 800])
def test_narrow_windows(report, open_report, width):
    with open_report(report, viewport={"width": width, "height": 700}) as opened:
        assert opened.page.evaluate("document.body.scrollWidth") <= width


def test_what_is_put_into_the_page_does_not_run(report, open_report):
    """The content security policy: no other script, no address, no form."""
    with open_report(report, may_complain=True) as opened:
        opened.page.evaluate(
            """() => {
              const script = document.createElement("script");
              script.textContent = "window.hacked = 1";
              document.body.append(script);
              document.body.insertAdjacentHTML(
                "beforeend", "<img src='https://example.org/x' onerror='hacked = 1'>");
            }"""
        )
        opened.page.wait_for_timeout(50)
        assert opened.page.evaluate("window.hacked") is None
        assert any("Content Security Policy" in text for text in opened.complaints)


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
        page.keyboard.press("Escape")
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
