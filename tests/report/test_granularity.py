"""The slider, which merges clusters along their tree and splits them again."""

import json

import numpy as np
import pytest
from report_helpers import make_clusterer, make_images, members
from sklearn.datasets import load_digits

from sklearn_scan import SCANClusterer
from sklearn_scan.report import write_report
from sklearn_scan.results.cluster_tree import cluster_tree
from sklearn_scan.results.relabeling import Edits, relabel

N_CLUSTERS, SIZE = 10, 300


@pytest.fixture(scope="session")
def ten():
    """Ten clusters of digits, of many sizes."""
    X = load_digits().data[:SIZE]
    clusterer = SCANClusterer(N_CLUSTERS, self_label_epochs=0, random_state=0).fit(X)
    assert len(np.unique(clusterer.labels_)) == N_CLUSTERS
    return clusterer


@pytest.fixture(scope="session")
def report_of_ten(ten, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, ten, make_images(SIZE), projection="pca")
    return path


@pytest.fixture
def slid(report_of_ten, open_report):
    with open_report(report_of_ten) as opened:
        yield opened


def shown_sizes(opened):
    """Return the sizes of the groups that the page lists, by their names."""
    rows = opened.page.locator(".size-row")
    names = rows.locator(".size-name").all_text_contents()
    sizes = rows.locator(".size-count").all_text_contents()
    return dict(zip(names, map(int, sizes), strict=True))


def merged_by(opened):
    return json.loads(opened.download("edits.json"))["merged"]


def roots_of(opened, n_clusters=N_CLUSTERS):
    """Return what each cluster has been merged into."""
    merged = {int(c): into for c, into in merged_by(opened).items()}
    return np.array([merged.get(c, c) for c in range(n_clusters)])


def is_same_partition(first, second):
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == len(np.unique(first)) == len(np.unique(second))


@pytest.mark.parametrize("n_groups", [1, 2, 6, 9])
def test_it_leaves_so_many_groups_as_the_tree_does(slid, ten, n_groups):
    slid.group(n_groups)
    sizes = shown_sizes(slid)
    assert len(sizes) == n_groups
    assert sum(sizes.values()) == SIZE
    assert slid.page.locator("#fact-clusters").text_content() == str(n_groups)
    assert slid.page.locator("#n-groups").text_content() == f"{n_groups} of 10"
    groups = cluster_tree(ten).labels(n_groups)
    assert is_same_partition(roots_of(slid), groups)
    for root in np.unique(roots_of(slid)):  # the largest is kept
        alike = np.flatnonzero(groups == groups[root])
        assert len(members(ten, root)) == max(len(members(ten, c)) for c in alike)


@pytest.mark.parametrize("name", ["edits.json", "labels.csv"])
def test_relabel_gives_the_groups_of_the_page(slid, ten, tmp_path, name):
    slid.group(4)
    sizes = shown_sizes(slid)
    (tmp_path / name).write_bytes(slid.download(name))
    corrected = relabel(ten, tmp_path / name)
    assert is_same_partition(
        corrected.labels_, cluster_tree(ten).labels(4)[ten.labels_]
    )
    assert sorted(np.bincount(corrected.labels_)) == sorted(sizes.values())


def test_moved_back_it_restores_the_clusters(slid):
    before = shown_sizes(slid)
    for n_groups in (3, 7, 2):
        slid.group(n_groups)
    assert slid.page.locator("#undo").text_content() == "Undo (1)"
    slid.group(N_CLUSTERS)
    assert shown_sizes(slid) == before
    assert slid.page.locator("#undo").is_disabled()
    assert merged_by(slid) == {}


def test_undo_takes_it_back_as_one_edit(slid):
    slid.rename(2, "cats")
    slid.group(3)
    slid.group(6)
    assert slid.page.locator("#undo").text_content() == "Undo (2)"
    slid.page.locator("#granularity").press("Control+z")
    slid.expect(slid.page.locator(".card")).to_have_count(N_CLUSTERS)
    assert slid.page.locator("#granularity").input_value() == "10"
    assert slid.page.locator("#n-groups").text_content() == "10 of 10"
    assert "cats" in shown_sizes(slid)


def test_by_keyboard(slid):
    slider = slid.page.locator("#granularity")
    slid.page.get_by_label("How many groups").focus()
    assert slider.get_attribute("aria-valuetext") == "10 groups of 10 clusters"
    for key, text in [
        ("ArrowLeft", "9 groups"),
        ("ArrowLeft", "8 groups"),
        ("ArrowRight", "9 groups"),
        ("Home", "1 group"),
        ("End", "10 groups"),
    ]:
        slid.page.keyboard.press(key)
        assert slider.get_attribute("aria-valuetext") == f"{text} of 10 clusters"
        n_groups = int(text.split()[0])
        slid.expect(slid.page.locator(".card")).to_have_count(n_groups)
    assert slid.page.evaluate("document.activeElement.id") == "granularity"


def test_it_survives_a_reload(slid):
    slid.group(4)
    before = shown_sizes(slid)
    slid.reload()
    assert shown_sizes(slid) == before
    assert slid.page.locator("#granularity").input_value() == "4"
    slid.page.locator("#undo").click()
    slid.expect(slid.page.locator(".card")).to_have_count(N_CLUSTERS)


# Together with edits by hand


def test_names_stay(slid, ten):
    """A group is called as its cluster that has a name, though it be the smallest."""
    groups = cluster_tree(ten).labels(5)
    alike = np.flatnonzero(groups == np.bincount(groups).argmax())
    smallest = min(alike, key=lambda c: (len(members(ten, c)), -c))
    slid.rename(smallest, "cats")
    slid.group(5)
    assert "cats" in shown_sizes(slid)
    slid.rename(smallest, "dogs")
    slid.group(N_CLUSTERS)
    assert shown_sizes(slid)["dogs"] == len(members(ten, smallest))


def test_merges_made_before_count_as_made(slid):
    slid.merge(1, into=0)
    slid.expect(slid.page.locator("#n-groups")).to_have_text("9 of 9")
    slid.group(6)
    roots = roots_of(slid)
    assert roots[0] == roots[1]
    slid.group(9)
    assert merged_by(slid) == {"1": 0}


def test_merges_made_after_bind_what_was_merged(slid, ten):
    groups = cluster_tree(ten).labels(8)
    sizes = np.bincount(groups)
    bound = np.flatnonzero(groups == np.flatnonzero(sizes > 1)[0]).tolist()
    alone = int(np.flatnonzero(sizes[groups] == 1)[0])
    slid.group(8)
    slid.merge(bound[0], into=alone)
    slid.expect(slid.page.locator("#n-groups")).to_have_text("7 of 8")
    slid.group(8)
    assert merged_by(slid) == {str(cluster): alone for cluster in bound}
    slid.page.locator("#undo").click()
    slid.expect(slid.page.locator("#n-groups")).to_have_text("7 of 8")
    slid.page.locator("#undo").click()
    slid.expect(slid.page.locator("#n-groups")).to_have_text("8 of 10")


def test_images_moved_by_hand_stay(slid, ten, tmp_path):
    row = int(members(ten, 3)[0])
    slid.move(f"X[{row}]", into=7)
    slid.group(6)
    slid.group(N_CLUSTERS)
    assert json.loads(slid.download("edits.json"))["moved"] == {str(row): 7}
    slid.group(4)
    (tmp_path / "edits.json").write_bytes(slid.download("edits.json"))
    corrected = relabel(ten, tmp_path / "edits.json")
    expected = cluster_tree(ten).labels(4)[
        np.where(np.arange(SIZE) == row, 7, ten.labels_)
    ]
    assert is_same_partition(corrected.labels_, expected)


def test_new_groups_are_not_on_the_tree(slid, ten):
    row = int(members(ten, 3)[0])
    slid.page.locator("#search").fill(f"X[{row}]")
    slid.page.locator("#results .tile").first.click()
    slid.page.locator("#detail").get_by_label("Move to").select_option("New group…")
    slid.page.locator("#detail").get_by_role("button", name="Move", exact=True).click()
    slid.page.get_by_label("Name of the new group").fill("odd")
    slid.page.keyboard.press("Enter")
    slid.close()
    slid.expect(slid.page.locator("#n-groups")).to_have_text("11 of 11")
    assert slid.page.locator("#granularity").get_attribute("min") == "2"
    slid.group(2)
    assert slid.card(N_CLUSTERS).locator("h3").text_content() == "odd"
    assert len(merged_by(slid)) == N_CLUSTERS - 1


# Odd pages


def test_empty_clusters_are_no_groups(open_report, tmp_path):
    clusterer = make_clusterer(n_clusters=5)
    moved = {int(row): 0 for row in members(clusterer, 2)}
    clusterer = relabel(clusterer, Edits(moved=moved))
    write_report(tmp_path / "report.html", clusterer, make_images(), projection="pca")
    with open_report(tmp_path / "report.html") as opened:
        assert opened.page.locator("#n-groups").text_content() == "4 of 4"
        assert opened.page.locator(".card").count() == 5
        opened.group(3)
        groups = cluster_tree(clusterer).labels(3)
        assert is_same_partition(roots_of(opened, 5), groups)
        opened.page.locator("#granularity").fill("4")
        opened.expect(opened.page.locator(".card")).to_have_count(5)


def test_one_cluster_has_no_slider(open_report, tmp_path):
    clusterer = relabel(make_clusterer(n_clusters=2), Edits(merged={1: 0}))
    write_report(tmp_path / "report.html", clusterer, make_images(), projection="pca")
    with open_report(tmp_path / "report.html") as opened:
        assert opened.page.locator("#granularity").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone(report_of_ten, open_report, scheme):
    size = {"width": 360, "height": 700}
    with open_report(report_of_ten, viewport=size, color_scheme=scheme) as opened:
        box = opened.page.locator("#granularity").bounding_box()
        assert box["width"] > 250
        assert opened.page.evaluate("document.body.scrollWidth") <= 360


def test_a_damaged_step_is_not_taken(slid):
    key = slid.page.evaluate("'sklearn-scan ' + JSON.parse(data.textContent).run")
    for n_merges in (-1, 1.5, "3", None):
        stored = json.dumps([{"kind": "group", "nMerges": n_merges}])
        slid.page.evaluate("([k, v]) => localStorage.setItem(k, v)", [key, stored])
        slid.reload()
        assert slid.page.locator(".card").count() == N_CLUSTERS
