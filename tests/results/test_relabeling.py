"""Clusters named, merged, and images moved."""

import copy
import csv
import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sklearn_scan import SCANClusterer, load, relabel, save
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.report import write_report
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.relabeling import Edits

X = load_digits().data[:300]


@pytest.fixture(scope="module")
def fitted():
    return SCANClusterer(n_clusters=6, n_heads=6, max_epochs=10, random_state=0).fit(X)


def write_json(path, clusterer, **changes):
    content = {
        "format": "sklearn-scan-edits",
        "version": 1,
        "run": LabelTable.of(clusterer).run,
        "names": {},
        "merged": {},
        "moved": {},
    }
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


def edit_csv(path, clusterer, change):
    LabelTable.of(clusterer).write_csv(path)
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        change(i, row)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_names_are_given_and_the_original_stays(fitted):
    named = relabel(fitted, Edits(names={1: " noughts "}))
    assert named.cluster_names_[1] == "noughts"
    assert fitted.cluster_names_[1] == "cluster 1"
    assert np.array_equal(named.probabilities_, fitted.probabilities_)


def test_merged_clusters_sum_their_probabilities(fitted):
    merged = relabel(fitted, Edits(merged={4: 1}, names={1: "both"}))
    expected = np.delete(fitted.probabilities_, 4, axis=1)
    expected[:, 1] += fitted.probabilities_[:, 4]
    assert np.allclose(merged.predict_proba(X), expected, atol=1e-12)
    assert merged.cluster_names_ == [
        "cluster 0", "both", "cluster 2", "cluster 3", "cluster 5",
    ]  # fmt: skip
    assert merged.n_clusters_ == 5
    assert merged.classes_.tolist() == [0, 1, 2, 3, 4]
    old_to_new = np.array([0, 1, 2, 3, 1, 4])
    assert np.array_equal(merged.labels_, old_to_new[fitted.labels_])


def test_a_merge_of_what_was_merged_before(fitted):
    once = relabel(fitted, Edits(merged={1: 0}))
    twice = relabel(once, Edits(merged={4: 0}))  # whose name is still "cluster 5"
    at_once = relabel(fitted, Edits(merged={1: 0, 5: 0}))
    assert np.allclose(twice.predict_proba(X), at_once.predict_proba(X), atol=1e-12)
    assert len(twice.module_) == len(at_once.module_)
    assert np.array_equal(twice.labels_, at_once.labels_)


def test_merges_are_followed_to_the_end(fitted):
    chained = relabel(fitted, Edits(merged={5: 4, 4: 0}))
    direct = relabel(fitted, Edits(merged={5: 0, 4: 0}))
    assert np.array_equal(chained.labels_, direct.labels_)


def test_moved_images_leave_the_model_as_it_is(fitted):
    row = int(np.flatnonzero(fitted.labels_ == 0)[0])
    moved = relabel(fitted, Edits(moved={row: 3}))
    assert moved.labels_[row] == 3
    assert (moved.labels_ != fitted.labels_).sum() == 1
    assert np.array_equal(moved.predict(X), fitted.predict(X))


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (Edits(names={6: "x"}), "no cluster 6"),
        (Edits(names={0: "  "}), "must be a text"),
        (Edits(merged={0: 9}), "no cluster 9"),
        (Edits(merged={0: 1, 1: 0}), "into itself"),
        (Edits(moved={300: 1}), "no image 300"),
        (Edits(moved={1: -1}), "no cluster -1"),
    ],
)
def test_edits_of_what_is_not_there(fitted, edits, message):
    with pytest.raises(ValueError, match=message):
        relabel(fitted, edits)


def test_the_json_of_a_report(fitted, tmp_path):
    path = write_json(
        tmp_path / "edits.json",
        fitted,
        names={"0": "zéros 0️⃣"},
        merged={"5": 2},
        moved={"7": 1},
    )
    done = relabel(fitted, path)
    expected = relabel(fitted, Edits(names={0: "zéros 0️⃣"}, merged={5: 2}, moved={7: 1}))
    assert done.cluster_names_ == expected.cluster_names_
    assert np.array_equal(done.labels_, expected.labels_)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": "0123456789abcdef"}, "another run"),
        ({"version": 99}, "newer sklearn_scan"),
        ({"format": "other"}, "not the edits.json"),
        ({"names": ["zeros"]}, "not the edits.json"),
        ({"moved": {"x": 1}}, "not the edits.json"),
    ],
)
def test_a_json_that_does_not_fit(fitted, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        relabel(fitted, write_json(tmp_path / "edits.json", fitted, **changes))


def test_a_file_that_is_no_json(fitted, tmp_path):
    path = tmp_path / "edits.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"not the edits\.json"):
        relabel(fitted, path)


def test_a_table_as_it_was_changes_nothing(fitted, tmp_path):
    path = tmp_path / "labels.csv"
    LabelTable.of(fitted).write_csv(path)
    same = relabel(fitted, path)
    assert same.cluster_names_ == fitted.cluster_names_
    assert np.array_equal(same.labels_, fitted.labels_)


def test_a_table_edited_by_hand(fitted, tmp_path):
    row = int(np.flatnonzero(fitted.labels_ == 0)[0])
    renumbered = [0, 1, 2, 1, 3, 4]  # 3 goes into 1

    def change(i, cells):
        label = renumbered[int(cells["label"])]
        label = 2 if i == row else label
        cells["label"] = str(label)
        cells["name"] = f"group {label}"

    done = relabel(fitted, edit_csv(tmp_path / "labels.csv", fitted, change))
    assert done.cluster_names_ == [f"group {i}" for i in range(5)]
    expected = np.array(renumbered)[fitted.labels_]
    expected[row] = 2
    assert np.array_equal(done.labels_, expected)
    assert done.predict_proba(X).shape == (300, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, row: row.update(confidence="0.1234"), "another run"),
        (lambda i, row: row.update(path=f"{i}.jpg"), "another run"),
        (lambda i, row: row.update(label="two"), "whole number"),
        (lambda i, row: row.update(name=f"name {i}"), "two names"),
        (lambda i, row: row.update(label="-2" if i == 3 else row["label"]), "'-2'"),
        (lambda i, row: row.update(label="1e300"), "'1e300'"),
        (lambda i, row: row.update(label="77", name=""), "empty name"),
    ],
)
def test_a_table_that_does_not_fit(fitted, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        relabel(fitted, edit_csv(tmp_path / "labels.csv", fitted, change))


def test_a_row_that_is_cut_off(fitted, tmp_path):
    path = tmp_path / "labels.csv"
    LabelTable.of(fitted).write_csv(path)
    lines = path.read_bytes().split(b"\r\n")
    lines[3] = lines[3].split(b",")[0]
    path.write_bytes(b"\r\n".join(lines))
    with pytest.raises(ValueError, match="another run"):
        relabel(fitted, path)


def test_a_file_that_is_no_table(fitted, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("photo,cluster\na.jpg,1\n")
    with pytest.raises(ValueError, match="no column 'path', 'label', 'name', 'conf"):
        relabel(fitted, path)


def test_edits_are_not_applied_twice(fitted, tmp_path):
    path = write_json(tmp_path / "edits.json", fitted, names={"0": "noughts"})
    once = relabel(fitted, path)
    with pytest.raises(ValueError, match="was applied already"):
        relabel(once, path)


def as_downloaded(table, edits):
    """Return the rows of the labels.csv that a report offers, from its definition."""
    names = dict(enumerate(table.cluster_names)) | edits.names | edits.groups
    clusters = [
        -1 if i in edits.left_out else edits.moved.get(i, row.label)
        for i, row in enumerate(table.rows())
    ]
    clusters = [edits.merged.get(cluster, cluster) for cluster in clusters]
    known = range(len(table.cluster_names))
    survivors = [c for c in known if c not in edits.merged]
    survivors += sorted(set(edits.groups) & set(clusters))
    return [
        row._replace(label=-1, name="left out")
        if cluster < 0
        else row._replace(label=survivors.index(cluster), name=names[cluster])
        for row, cluster in zip(table.rows(), clusters, strict=True)
    ]


def draw_edits(rng, n_clusters, n_images):
    merged, names = {}, {}
    order = rng.permutation(n_clusters).tolist()
    for cluster in order[: rng.integers(3)]:
        merged[cluster] = order[-1 - rng.integers(2)]
    for cluster in order[3:]:
        if rng.random() < 0.3:
            names[cluster] = f"named {cluster}"
    n_groups = int(rng.integers(3))
    groups = {n_clusters + i: f"new {i}" for i in range(n_groups)}
    changed = rng.choice(n_images, rng.integers(15), replace=False).tolist()
    n_left = len(changed) // 3
    n_targets = n_clusters + n_groups
    moved = {i: int(rng.integers(n_targets)) for i in changed[n_left:]}
    return Edits(names, merged, moved, groups, changed[:n_left])


@pytest.mark.parametrize("seed", range(30))
def test_the_table_of_a_report_says_what_its_json_says(fitted, tmp_path, seed):
    rng = np.random.default_rng(seed)
    edits = draw_edits(rng, fitted.n_clusters_, len(X))
    rows = as_downloaded(LabelTable.of(fitted), edits)
    if seed % 2:  # a spreadsheet sorts them, and writes numbers in its own way
        rows = [rows[i] for i in rng.permutation(len(rows))]
    with open(tmp_path / "labels.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=",;"[seed % 2])
        writer.writerow(["path", "label", "name", "confidence"])
        for row in rows:
            confidence = f"{float(row.confidence):g}"
            if seed % 2:
                confidence = confidence.replace(".", ",")
            writer.writerow([row.path, row.label, row.name, confidence])
    by_table, by_json = relabel(fitted, tmp_path / "labels.csv"), relabel(fitted, edits)
    assert by_table.cluster_names_ == by_json.cluster_names_
    assert np.array_equal(by_table.labels_, by_json.labels_)
    assert np.array_equal(by_table.probabilities_, by_json.probabilities_)


def test_most_images_of_a_cluster_moved(fitted, tmp_path):
    rows = np.flatnonzero(fitted.labels_ == 5)
    edits = Edits(moved=dict.fromkeys(rows[: len(rows) * 2 // 3].tolist(), 2))

    def change(i, cells):
        if i in edits.moved:
            cells.update(label="2", name="cluster 2")

    by_table = relabel(fitted, edit_csv(tmp_path / "labels.csv", fitted, change))
    assert np.array_equal(by_table.labels_, relabel(fitted, edits).labels_)
    assert by_table.n_clusters_ == 6


def test_a_label_alone_moves_an_image(fitted, tmp_path):
    row = int(np.flatnonzero(fitted.labels_ == 0)[0])

    def change(i, cells):
        cells["label"] = "3.0" if i == row else f"{cells['label']}.0"

    moved = relabel(fitted, edit_csv(tmp_path / "labels.csv", fitted, change))
    assert np.array_equal(moved.labels_, relabel(fitted, Edits(moved={row: 3})).labels_)
    assert moved.cluster_names_ == fitted.cluster_names_


def test_a_new_group(fitted):
    """It comes last, and the model never predicts it."""
    rows = np.flatnonzero(fitted.labels_ == 0)[:3].tolist()
    moved = dict.fromkeys(rows, 6)
    done = relabel(fitted, Edits(groups={6: " odd "}, moved=moved, merged={2: 1}))
    assert done.cluster_names_ == [
        "cluster 0", "cluster 1", "cluster 3", "cluster 4", "cluster 5", "odd",
    ]  # fmt: skip
    assert done.n_clusters_ == 6
    assert done.classes_.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.flatnonzero(done.labels_ == 5).tolist() == rows
    assert done.probabilities_.shape == (300, 6)
    assert not done.predict_proba(X)[:, 5].any()
    np.testing.assert_allclose(done.probabilities_.sum(axis=1), 1)
    assert 5 not in done.predict(X)


def test_a_cluster_merged_into_a_new_group_teaches_it(fitted):
    done = relabel(fitted, Edits(groups={6: "odd"}, merged={2: 6}))
    assert done.cluster_names_[-1] == "odd"
    assert np.array_equal(done.predict(X) == 5, fitted.predict(X) == 2)


def test_groups_that_get_nothing_are_not_made(fitted):
    row = int(np.flatnonzero(fitted.labels_ == 0)[0])
    groups = {6: "none", 7: "one", 8: "gone"}
    done = relabel(fitted, Edits(groups=groups, moved={row: 7}, merged={8: 0}))
    assert done.cluster_names_[6:] == ["one"]
    assert done.labels_[row] == 6


def test_a_new_group_is_merged_later(fitted):
    row = int(np.flatnonzero(fitted.labels_ == 0)[0])
    once = relabel(fitted, Edits(groups={6: "odd"}, moved={row: 6}))
    into_it = relabel(once, Edits(merged={2: 6}))
    assert np.array_equal(into_it.predict(X) == 5, fitted.predict(X) == 2)
    assert into_it.labels_[row] == 5
    gone = relabel(once, Edits(merged={6: 2}))
    assert gone.labels_[row] == 2
    np.testing.assert_allclose(gone.probabilities_, fitted.probabilities_)


def test_left_out_images(fitted, tmp_path):
    """They have no cluster, are told apart in the table, and come back."""
    done = relabel(fitted, Edits(left_out=[3, 8]))
    assert np.flatnonzero(done.labels_ < 0).tolist() == [3, 8]
    assert np.array_equal(done.probabilities_, fitted.probabilities_)
    assert np.array_equal(done.predict(X), fitted.predict(X))
    table = LabelTable.of(done)
    assert np.flatnonzero(table.left_out).tolist() == [3, 8]
    row = list(table.rows())[3]
    assert (row.label, row.name) == (-1, "left out")
    assert row.confidence == list(LabelTable.of(fitted).rows())[3].confidence
    path = edit_csv(
        tmp_path / "labels.csv",
        done,
        lambda i, cells: cells.update(label="2") if i == 3 else None,
    )
    back = relabel(done, path)
    assert back.labels_[[3, 8]].tolist() == [2, -1]
    assert back.cluster_names_ == fitted.cluster_names_


def test_names_stay_with_clusters_through_merges(fitted):
    once = relabel(fitted, Edits(merged={1: 0}))
    twice = relabel(once, Edits(merged={1: 0}))  # which is "cluster 2"
    assert twice.cluster_names_ == ["cluster 0", "cluster 3", "cluster 4", "cluster 5"]


def test_clusters_of_one_name_stay_apart(fitted, tmp_path):
    names = {1: "same", 4: "same"}
    done = relabel(fitted, Edits(names=names))
    assert done.cluster_names_.count("same") == 2
    assert np.array_equal(done.labels_, fitted.labels_)
    path = tmp_path / "labels.csv"
    LabelTable.of(done).write_csv(path)
    assert np.array_equal(relabel(done, path).labels_, done.labels_)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (Edits(groups={7: "x"}), "on from 6"),
        (Edits(groups={6: " "}), "must be a text"),
        (Edits(groups={6: "\ud800"}), "must be a text"),
        (Edits(names={6: "x"}, groups={6: "y"}), "no cluster 6"),
        (Edits(moved={0: 7}, groups={6: "x"}), "no cluster 7"),
        (Edits(merged={1: 6, 6: 1}, groups={6: "x"}), "into itself"),
        (Edits(moved={2: 1}, left_out=[2]), "both moved to cluster 1 and left out"),
        (Edits(left_out=[300]), "no image 300"),
    ],
)
def test_edits_that_contradict_one_another(fitted, edits, message):
    with pytest.raises(ValueError, match=message):
        relabel(fitted, edits)


def test_unreadable_images_are_not_left_out(fitted):
    broken = copy.copy(fitted)
    broken.labels_ = np.where(np.arange(300) == 4, -1, fitted.labels_)
    broken.probabilities_ = fitted.probabilities_.copy()
    broken.probabilities_[4] = np.nan
    assert not LabelTable.of(broken).left_out.any()
    for edits in (Edits(left_out=[4]), Edits(moved={4: 0})):
        with pytest.raises(ValueError, match="Image 4 cannot be read"):
            relabel(broken, edits)


def test_the_second_version_of_the_json(fitted, tmp_path):
    edits = Edits(moved={7: 6}, groups={6: "odd"}, left_out=[9])
    path = write_json(
        tmp_path / "edits.json",
        fitted,
        version=2,
        moved={"7": 6},
        groups={"6": "odd"},
        left_out=[9],
    )
    done, expected = relabel(fitted, path), relabel(fitted, edits)
    assert done.cluster_names_ == expected.cluster_names_
    assert np.array_equal(done.labels_, expected.labels_)


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": None},
        {"groups": {"6": 3}},
        {"groups": {"06": "x"}},
        {"left_out": {"1": 1}},
        {"left_out": ["1"]},
        {"left_out": [True]},
        {"left_out": [1.0]},
        {"moved": {"1": 2.5}},
        {"merged": {"1": "2"}},
        {"names": {"1": 2}},
        {"version": "2"},
        {"version": 0},
    ],
)
def test_a_damaged_second_version(fitted, tmp_path, changes):
    content = {"version": 2, "groups": {}, "left_out": []} | changes
    with pytest.raises(ValueError, match=r"not the edits\.json"):
        relabel(fitted, write_json(tmp_path / "edits.json", fitted, **content))


def test_a_json_that_is_nested_without_end(fitted, tmp_path):
    path = tmp_path / "edits.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"not the edits\.json"):
        relabel(fitted, path)


@pytest.mark.parametrize(("name", "expected"), [("odd", "odd"), (None, "cluster 77")])
def test_a_new_label_in_a_table_is_a_new_group(fitted, tmp_path, name, expected):
    rows = np.flatnonzero(fitted.labels_ == 0)[:3].tolist()

    def change(i, cells):
        if i in rows:
            cells["label"] = "77"
            cells["name"] = name or cells["name"]
        if i == 299:
            cells["label"] = "-1"

    done = relabel(fitted, edit_csv(tmp_path / "labels.csv", fitted, change))
    assert done.cluster_names_ == [*fitted.cluster_names_, expected]
    assert np.flatnonzero(done.labels_ == 6).tolist() == rows
    assert np.flatnonzero(done.labels_ == -1).tolist() == [299]


def test_a_cluster_split_in_a_table(fitted, tmp_path):
    """Its larger part is what the cluster was."""
    rows = np.flatnonzero(fitted.labels_ == 0)
    small = set(rows[: len(rows) // 3].tolist())

    def change(i, cells):
        if cells["label"] == "0":
            cells.update(label="6", name="part") if i in small else None
            cells.update(name="rest") if i not in small else None

    done = relabel(fitted, edit_csv(tmp_path / "labels.csv", fitted, change))
    assert done.cluster_names_ == ["rest", *fitted.cluster_names_[1:], "part"]
    assert set(np.flatnonzero(done.labels_ == 6).tolist()) == small


def test_a_corrected_model_goes_where_others_go(fitted, tmp_path):
    edits = Edits(groups={6: "odd"}, moved={3: 6}, merged={2: 0}, left_out=[4])
    done = relabel(fitted, edits)
    save(done, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert np.array_equal(loaded.labels_, done.labels_)
    assert np.array_equal(loaded.predict_proba(X), done.predict_proba(X))
    network = done.to_torch()
    with torch.no_grad():
        probabilities = network(torch.from_numpy(X).float()).numpy()
    assert not probabilities[:, 5].any()
    np.testing.assert_allclose(probabilities, done.predict_proba(X), atol=1e-5)
    report = tmp_path / "report.html"
    write_report(report, done, load_digits_images().images[:300], projection="pca")
    assert report.stat().st_size
