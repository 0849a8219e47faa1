"""What people change on a report, and what they download."""

import json

import numpy as np
import pytest
from report_helpers import make_images, members, reference_csv, reference_edits

from sklearn_scan.report import write_report
from sklearn_scan.results.prototypes import cluster_members
from sklearn_scan.results.relabeling import Edits, relabel


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


@pytest.mark.parametrize("name", ["edits.json", "labels.csv"])
def test_relabel_reads_what_is_downloaded(opened, clusterer, tmp_path, name):
    row = int(members(clusterer, 0)[0])
    opened.rename(2, "dogs 😀")
    opened.merge(3, into=1)
    opened.move(f"photo {row:02}", into=2)
    (tmp_path / name).write_bytes(opened.download(name))
    corrected = relabel(clusterer, tmp_path / name)
    expected = np.choose(clusterer.labels_, [0, 1, 2, 1])
    expected[row] = 2
    np.testing.assert_array_equal(corrected.labels_, expected)
    assert corrected.cluster_names_ == ["cluster 0", "cluster 1", "dogs 😀"]


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
    opened.reload()
    assert opened.page.locator(".card").count() == 3
    assert "birds" in opened.card(1).text_content()
    edits = {"names": {1: "birds"}, "merged": {2: 1}}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    opened.page.locator("#undo").click()
    assert opened.page.locator(".card").count() == 4


def test_edits_are_not_asked_for_before_the_first_frame(report, chromium):
    """Chromium may give a storage then that is empty, and forgets what it is given."""
    page = chromium.new_page()
    page.add_init_script(
        """const { requestAnimationFrame } = window;
        const held = [];
        window.requestAnimationFrame = (draw) => held.push(draw);
        window.drawFirst = () => {
          Object.assign(window, { requestAnimationFrame });
          for (const draw of held) draw();
        };
        window.nAsked = 0;
        const { get } = Object.getOwnPropertyDescriptor(window, "localStorage");
        Object.defineProperty(window, "localStorage", {
          get() {
            nAsked += 1;
            return get.call(window);
          },
        });"""
    )
    page.goto(report.as_uri())
    assert page.evaluate("nAsked") == 0
    page.evaluate("drawFirst()")
    assert page.evaluate("nAsked") > 0
    page.close()


def test_what_is_stored_may_be_damaged(opened):
    key = opened.page.evaluate("'sklearn-scan ' + JSON.parse(data.textContent).run")
    steps = [
        {"kind": "merge", "cluster": 9, "into": 0},
        {"kind": "move", "rows": [0], "into": 4},
        {"kind": "make", "rows": [99], "name": "x"},
        {"kind": "make", "rows": [], "name": "x"},
        {"kind": "make", "rows": [0], "name": " "},
        {"kind": "leave", "rows": ["length"]},
        {"kind": "restore", "rows": 3},
        {"kind": "other"},
    ]
    for stored in ("{", "3", "[null]", *(json.dumps([step]) for step in steps)):
        opened.page.evaluate("([k, v]) => localStorage.setItem(k, v)", [key, stored])
        opened.reload()
        assert opened.page.locator(".card").count() == 4


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
    opened.close()
    edits = {"moved": dict.fromkeys(rows, 0)}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    page.locator("#undo").click()
    assert opened.download("labels.csv") == reference_csv(clusterer)


def test_images_moved_by_hand(opened, clusterer):
    """They are not what the model is sure of, and stand where a new report has them."""
    page, row = opened.page, int(members(clusterer, 0)[0])
    percent = f"{100 * clusterer.probabilities_[row, 0]:.3g}"
    opened.rename(0, "cats")
    opened.move(f"photo {row:02}", into=2)
    page.locator("#search").fill(f"photo {row:02}")
    assert page.locator("#results .tile").text_content() == "by hand"
    opened.page.locator("#undo").click()
    assert percent in page.locator("#results .tile").text_content()
    page.locator("#search").fill("")
    opened.move(f"photo {row:02}", into=2)
    opened.act(2, "all")
    gallery = page.locator("dialog#gallery")
    tiles = gallery.locator(".tile")
    corrected = relabel(clusterer, Edits(moved={row: 2}))
    sorted_anew = cluster_members(corrected.labels_, corrected.probabilities_)[2]
    shown = tiles.evaluate_all("ts => ts.map(t => Number(t.dataset.row))")
    assert shown[-1] == row == sorted_anew[-1]
    assert shown == sorted_anew.tolist()
    tile = gallery.locator(f".tile[data-row='{row}']")
    assert tile.text_content() == "by hand"
    said = f"oved by hand; the model says cats, {percent}\N{NO-BREAK SPACE}%"
    assert tile.get_attribute("aria-label").endswith(f"in cluster 2, m{said}")
    tile.click()
    detail = page.locator("dialog#detail")
    assert f"M{said}" in detail.text_content()
    detail.get_by_label("Move to").select_option("0")
    detail.get_by_role("button", name="Move", exact=True).click()
    assert "by hand" not in detail.text_content()


def test_edits_without_effect_are_not_counted(opened, clusterer):
    """Of what is stored, too."""
    undo, row = opened.page.locator("#undo"), int(members(clusterer, 1)[0])
    opened.rename(1, " ")
    opened.rename(1, "cluster 1")
    assert undo.text_content() == "Undo"
    steps = [
        {"kind": "move", "rows": [row], "into": 1},
        {"kind": "merge", "cluster": 3, "into": 3},
        {"kind": "rename", "cluster": 2, "name": "birds"},
        {"kind": "rename", "cluster": 2, "name": "birds"},
    ]
    opened.page.evaluate(
        """steps => localStorage.setItem(
          'sklearn-scan ' + JSON.parse(data.textContent).run, JSON.stringify(steps))""",
        steps,
    )
    opened.reload()
    assert undo.text_content() == "Undo (1)"
    undo.click()
    assert opened.download("labels.csv") == reference_csv(clusterer)


def test_a_relabelled_run_starts_without_edits(open_report, clusterer, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, clusterer, make_images(), projection="pca")
    with open_report(path) as opened:
        opened.rename(0, "cats")
        corrected = relabel(clusterer, Edits(names={0: "cats"}))
        write_report(path, corrected, make_images(), projection="pca")
        opened.reload()
        assert "cats" in opened.card(0).text_content()
        assert opened.page.locator("#undo").is_disabled()


def test_edits_are_loaded(opened, clusterer, tmp_path):
    """They replace those made so far, which undoing brings back."""
    row = int(members(clusterer, 0)[0])
    edits = {"names": {2: "dogs 😀"}, "merged": {3: 0, 1: 0}, "moved": {row: 2}}
    path = tmp_path / "edits.json"
    path.write_text(json.dumps(reference_edits(clusterer, **edits)))
    opened.rename(0, "cats")
    assert "Loaded" in opened.load(path)
    assert opened.page.locator("#undo").text_content() == "Undo (2)"
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    opened.reload()
    downloaded = json.loads(opened.download("edits.json"))
    assert downloaded == reference_edits(clusterer, **edits)
    opened.page.locator("#undo").click()
    edits = {"names": {0: "cats"}}
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)


def test_edits_of_both_versions_are_loaded(opened, clusterer, tmp_path):
    """The first version had neither new groups nor images that are left out."""
    row, *others = members(clusterer, 0)[:3].tolist()
    path = tmp_path / "edits.json"
    edits = {"names": {2: "dogs"}, "merged": {3: 0}, "moved": {row: 2}}
    content = reference_edits(clusterer, **edits) | {"version": 1}
    del content["groups"], content["left_out"]
    path.write_text(json.dumps(content))
    assert "Loaded" in opened.load(path)
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    edits = {"groups": {4: "x", 5: "y"}, "moved": {others[0]: 4}, "left_out": [row]}
    edits["merged"] = {3: 5}
    path.write_text(json.dumps(reference_edits(clusterer, **edits)))
    assert "Loaded" in opened.load(path)
    assert opened.download("labels.csv") == reference_csv(clusterer, **edits)
    downloaded = json.loads(opened.download("edits.json"))
    assert downloaded == reference_edits(clusterer, **edits)


def test_edits_that_cannot_be_loaded(opened, clusterer, tmp_path):
    path = tmp_path / "edits.json"
    for changes, message in [
        ({"run": "0123"}, "of another run"),
        ({"format": "csv"}, "not the edits.json"),
        ({"version": 3}, "of a newer page"),
        ({"version": "2"}, "not as a report writes them"),
        ({"names": {"0": 3}}, "not as a report writes them"),
        ({"merged": {"length": 0}}, "not as a report writes them"),
        ({"moved": {"99": 0}}, "not as a report writes them"),
        ({"moved": None}, "not as a report writes them"),
        ({"groups": {"5": "x"}}, "not as a report writes them"),
        ({"groups": {"4": " "}}, "not as a report writes them"),
        ({"groups": {"04": "x"}}, "not as a report writes them"),
        ({"moved": {"1": 4}}, "not as a report writes them"),
        ({"left_out": {"1": 1}}, "not as a report writes them"),
        ({"left_out": [24]}, "not as a report writes them"),
        ({"left_out": [1], "moved": {"1": 0}}, "not as a report writes them"),
        ({"merged": {"1": 2, "2": 1}}, "not as a report writes them"),
    ]:
        path.write_text(json.dumps(reference_edits(clusterer) | changes))
        assert message in opened.load(path)
        assert opened.page.locator("#undo").is_disabled()
