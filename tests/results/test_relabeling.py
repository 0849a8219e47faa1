"""Clusters named, merged, and images moved."""

import csv
import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from sklearn_scan import SCANClusterer, relabel
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
        "cluster 0", "both", "cluster 2", "cluster 3", "cluster 4",
    ]  # fmt: skip
    assert merged.n_clusters_ == 5
    assert merged.classes_.tolist() == [0, 1, 2, 3, 4]
    old_to_new = np.array([0, 1, 2, 3, 1, 4])
    assert np.array_equal(merged.labels_, old_to_new[fitted.labels_])


def test_a_merge_of_what_was_merged_before(fitted):
    once = relabel(fitted, Edits(merged={1: 0}))
    twice = relabel(once, Edits(merged={4: 0}))  # which was cluster 5
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
        (lambda i, row: row.update(label="-1" if i == 3 else row["label"]), "-1 is"),
        (lambda i, row: row.update(label="77", name="x") if i == 3 else None, "77 is"),
    ],
)
def test_a_table_that_does_not_fit(fitted, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        relabel(fitted, edit_csv(tmp_path / "labels.csv", fitted, change))


def test_a_file_that_is_no_table(fitted, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("photo,cluster\na.jpg,1\n")
    with pytest.raises(ValueError, match="no column 'path', 'label', 'name', 'conf"):
        relabel(fitted, path)


def test_edits_are_not_applied_twice(fitted, tmp_path):
    path = write_json(tmp_path / "edits.json", fitted, names={"0": "noughts"})
    once = relabel(fitted, path)
    with pytest.raises(ValueError, match="before it was changed"):
        relabel(once, path)


def as_downloaded(table, edits):
    """Return the rows of the labels.csv that a report offers, from its definition."""
    survivors = [c for c in range(len(table.cluster_names)) if c not in edits.merged]
    rows = []
    for i, row in enumerate(table.rows()):
        cluster = edits.moved.get(i, row.label)
        cluster = edits.merged.get(cluster, cluster)
        name = edits.names.get(cluster, table.cluster_names[cluster])
        label = survivors.index(cluster)
        rows.append(row._replace(label=label, name=name))
    return rows


def draw_edits(rng, n_clusters, n_images):
    merged, names = {}, {}
    order = rng.permutation(n_clusters).tolist()
    for cluster in order[: rng.integers(3)]:
        merged[cluster] = order[-1 - rng.integers(2)]
    for cluster in order[3:]:
        if rng.random() < 0.3:
            names[cluster] = f"named {cluster}"
    moved = rng.choice(n_images, rng.integers(15), replace=False).tolist()
    return Edits(names, merged, {i: int(rng.integers(n_clusters)) for i in moved})


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
