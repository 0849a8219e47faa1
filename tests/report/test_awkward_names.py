"""File names that would be markup, or are no text at all, do no harm."""

import json
import os

import pytest
from report_helpers import (
    make_clusterer,
    reference_csv,
    reference_edits,
    write_images,
)

from sklearn_scan.report import write_report

NAMES = [
    "<script>window.hacked = 1</script>.png",  # a folder and a file, together a tag
    "--><script>window.hacked = 2</script>.png",
    "<img src=x onerror='window.hacked = 3'>.png",
    "'single' \"double\", comma.png",
    " spaces  within .png",
    "emoji 👩‍🚀😀.png",
    "line\nbreak\r\n.png",
    os.fsdecode(b"not utf-8 \xff\xfe\x80.png"),
    "turned \u202egnp.exe.png",
    "=cmd|' /C calc'!A0.png",
    "{{ 7 * 7 }} ${7 * 7} &lt;&amp;.png",
    "\\u003c\\n.png",
]


@pytest.fixture
def paths(tmp_path):
    try:
        return write_images(tmp_path, NAMES)
    except OSError:
        pytest.skip("this file system refuses such names")


def test_names_do_no_harm(paths, tmp_path, open_report):
    clusterer = make_clusterer(len(paths), 2, names=paths)
    clusterer.cluster_names_ = ["<b>bold</b>", "</script><script>hacked = 4</script>"]
    path = tmp_path / "report.html"
    title = "</title><script>window.hacked = 5</script>"
    y = ["<i>", "{{ 7 * 7 }}"] * (len(paths) // 2)
    write_report(path, clusterer, paths, y=y, title=title)
    with open_report(path) as opened:
        page = opened.page
        assert page.locator("h1").text_content() == title
        for cluster, name in enumerate(clusterer.cluster_names_):
            assert opened.card(cluster).locator("h3").text_content() == name
        page.locator("#search").fill(".png")
        labels = page.locator("#results .tile").evaluate_all(
            "ts => ts.map(t => t.title)"
        )
        shown = [label.split(", ")[0] for label in labels]
        assert shown[0] == NAMES[0]
        assert shown[5] == NAMES[5]
        assert shown[6] == "line␊break␍␊.png"
        assert shown[7] == "not utf-8 ���.png"
        assert shown[8] == "turned �gnp.exe.png"
        assert shown[10] == NAMES[10]
        for row in (0, 2, 7):
            page.locator(f"#results .tile[data-row='{row}']").click()
            assert page.locator("#detail script, #detail img[onerror]").count() == 0
            opened.close()
        page.locator("#search").fill("")
        markup = "main script, main img[onerror], main i, .name b"
        assert page.locator(markup).count() == 0
        assert page.evaluate("window.hacked") is None
        assert opened.download("labels.csv") == reference_csv(clusterer)


def test_names_that_people_give(paths, tmp_path, open_report):
    clusterer = make_clusterer(len(paths), 2, names=paths)
    path = tmp_path / "report.html"
    write_report(path, clusterer, paths)
    name = '<img src=x onerror=hacked=1>, "quoted" 😀'
    with open_report(path) as opened:
        opened.rename(0, name)
        assert opened.card(0).locator("h3").text_content() == name
        edits = {"names": {0: name}}
        assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
        downloaded = json.loads(opened.download("edits.json"))
        assert downloaded == reference_edits(clusterer, **edits)
        assert opened.page.evaluate("window.hacked") is None
