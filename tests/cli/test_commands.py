"""What can be done with a finished run."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from cli_helpers import QUICK
from numpy.testing import assert_allclose

from sklearn_scan import load
from sklearn_scan.cli import _export as export_module
from sklearn_scan.results.label_table import LabelTable


def read_rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def photo_zero(photos):
    return next(photos.rglob("photo 0.png"))


def write_edits(path, run, **changes):
    content = {
        "format": "sklearn-scan-edits",
        "version": 1,
        "run": LabelTable.of(load(run / "model")).run,
        "names": {},
        "merged": {},
        "moved": {},
    }
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


def test_predict_prints_csv(run, photos, call):
    result = call("predict", run, photos)
    rows = read_rows(result.stdout)
    clusterer = load(run / "model")
    assert [row["path"] for row in rows] == clusterer.image_names_
    assert [int(row["label"]) for row in rows] == clusterer.labels_.tolist()
    assert all(row["name"].startswith("cluster ") for row in rows if row["confidence"])
    assert "\r" not in result.stdout  # as `cut` and its kin have it


def test_predict_fails_where_no_photo_is_read(run, photos, tmp_path, call):
    (tmp_path / "phone.HEIC").write_bytes(b"no format that is read")
    broken = [photos / "circle" / "broken.jpg", tmp_path / "phone.HEIC"]
    result = call("predict", run, *broken, expect=1)
    assert "cannot be read" in result.output
    both = call("predict", run, photo_zero(photos), *broken)
    assert [row["label"] for row in read_rows(both.stdout)][1:] == ["-1", "-1"]


def test_predict_of_a_model_folder_as_json(run, photos, call):
    photo = photo_zero(photos)
    result = call("predict", run / "model", photo, "--json")
    (row,) = json.loads(result.stdout)
    assert row["path"] == str(photo)
    assert row["confidence"] > 0


def test_predict_to_a_file(run, photos, tmp_path, call):
    result = call("predict", run, photos, "-o", tmp_path / "new.csv")
    assert "40 photos labelled" in result.stdout
    assert len(read_rows((tmp_path / "new.csv").read_text())) == 40
    again = ["predict", run, photos, "-o", tmp_path / "new.csv"]
    assert "--overwrite" in call(*again, expect=1).output
    call(*again, "--overwrite")


def test_report_is_written_anew(run, call):
    (run / "report.html").unlink()
    call(
        "report", run, "--truth", "folders", "--projection", "pca", "--title", "Shapes"
    )
    assert "Shapes" in (run / "report.html").read_text(encoding="utf-8")


def test_relabel_by_json_reaches_all_results(run, photos, tmp_path, call):
    edits = write_edits(
        tmp_path / "edits.json", run, names={"0": "round"}, merged={"2": 0},
        moved={"5": 1},
    )  # fmt: skip
    result = call("relabel", run, edits)
    assert "1 named, 1 merged, 1 photo moved: 2 clusters" in result.stdout
    rows = read_rows((run / "labels.csv").read_text())
    assert {row["name"] for row in rows} == {"", "round", "cluster 1"}
    assert rows[5]["label"] == "1"
    assert "round" in (run / "report.html").read_text(encoding="utf-8")
    predicted = read_rows(call("predict", run, photos).stdout)
    assert {row["label"] for row in predicted} <= {"-1", "0", "1"}


def test_new_groups_and_photos_left_out(run, tmp_path, call):
    edits = write_edits(
        tmp_path / "edits.json", run, version=2, moved={"5": 3, "6": 3},
        groups={"3": "odd"}, left_out=[7, 8],
    )  # fmt: skip
    result = call("relabel", run, edits)
    assert (
        "0 named, 0 merged, 2 photos moved, 1 new group, 2 photos left out: 4 clusters"
        in result.stdout
    )
    rows = read_rows((run / "labels.csv").read_text())
    assert [rows[i]["name"] for i in (5, 6, 7, 8)] == ["odd", "odd"] + 2 * ["left out"]
    assert [rows[i]["label"] for i in (5, 6, 7, 8)] == ["3", "3", "-1", "-1"]
    result = call("export", run, tmp_path / "sorted", "--link")
    assert "38 photos in 5 folders, 2 photos left out" in result.stdout
    assert len(list((tmp_path / "sorted").rglob("*.*p*g"))) == 38
    assert len(list((tmp_path / "sorted" / "odd").iterdir())) == 2
    assert len(list((tmp_path / "sorted" / "unreadable").iterdir())) == 1


def test_relabel_by_csv(run, tmp_path, call):
    table = (run / "labels.csv").read_text().replace("cluster 1", "others")
    (tmp_path / "labels.csv").write_text(table)
    call("relabel", run, tmp_path / "labels.csv")
    assert load(run / "model").cluster_names_ == ["cluster 0", "others", "cluster 2"]


def test_relabel_by_a_table_of_another_run_changes_nothing(run, tmp_path, call):
    before = (run / "labels.csv").read_text()
    rows = before.splitlines()
    (tmp_path / "labels.csv").write_text("\n".join(rows[:-1]) + "\n")
    result = call("relabel", run, tmp_path / "labels.csv", expect=1)
    assert "another run" in result.output
    assert (run / "labels.csv").read_text() == before


@pytest.mark.parametrize("command", [["report"], ["export", "x", "--copy"]])
def test_a_folder_that_is_no_run(tmp_path, call, command):
    name, *rest = command
    result = call(name, tmp_path, *rest, expect=1)
    assert "not a folder that" in result.output


def test_a_model_of_a_newer_version(run, photos, call):
    path = run / "model" / "model.json"
    content = json.loads(path.read_text())
    content["version"] = 999
    path.write_text(json.dumps(content))
    result = call("predict", run, photos, expect=1)
    assert "Upgrade sklearn_scan" in result.output


@pytest.mark.parametrize("way", ["--link", "--copy"])
def test_export(run, photos, tmp_path, call, way):
    result = call("export", run, tmp_path / "sorted", way)
    assert "40 photos in 4 folders" in result.stdout
    clusterer = load(run / "model")
    for name in clusterer.cluster_names_:
        n_files = len(list((tmp_path / "sorted" / name).iterdir()))
        assert n_files == clusterer.labels_.tolist().count(int(name[-1]))
    link = next((tmp_path / "sorted" / "unreadable").iterdir())
    assert link.is_symlink() == (way == "--link")
    assert link.read_bytes() == b"no image"


def test_export_again(run, tmp_path, call):
    call("export", run, tmp_path / "sorted", "--copy")
    (tmp_path / "sorted" / "cluster 0" / "mine.txt").write_text("mine")
    assert (
        "--overwrite"
        in call("export", run, tmp_path / "sorted", "--link", expect=1).output
    )
    call("export", run, tmp_path / "sorted", "--link", "--overwrite")
    files = list((tmp_path / "sorted" / "cluster 0").iterdir())
    assert [path.name for path in files if not path.is_symlink()] == ["mine.txt"]


def test_export_keeps_photos_of_one_name_apart(run, photos, tmp_path, call):
    rows = (run / "labels.csv").read_text()
    twin = photos.parent / "twin" / "photo 0.png"
    twin.parent.mkdir(exist_ok=True)
    shutil.copy(photo_zero(photos), twin)
    first = next(line for line in rows.splitlines() if "photo 0.png" in line)
    again = first.replace(str(photo_zero(photos)), str(twin))
    (run / "labels.csv").write_text(rows + again + "\n")
    call("export", run, tmp_path / "sorted", "--copy")
    names = {path.name for path in (tmp_path / "sorted").rglob("photo 0*")}
    assert names == {"photo 0.png", "photo 0-2.png"}


def test_export_where_there_are_no_links(run, tmp_path, call, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(export_module.disk, "link", refuse)
    result = call("export", run, tmp_path / "sorted", "--link", expect=1)
    assert "pass --copy" in result.output


def test_export_of_photos_that_are_gone(run, photos, tmp_path, call):
    table = (run / "labels.csv").read_text()
    gone = table.replace("photo 7.png", "gone.png")
    (run / "labels.csv").write_text(gone)
    result = call("export", run, tmp_path / "sorted", "--link", expect=1)
    assert "Not found: 1 photo" in result.output
    assert "39 photos in" in result.output


def test_neighbors_of_a_photo_of_the_run(run, photos, call):
    photo = photo_zero(photos)
    near = json.loads(call("neighbors", run, photo, "-n", 5, "--json").stdout)
    assert len(near) == 5
    similarities = [row["similarity"] for row in near]
    assert similarities == sorted(similarities, reverse=True)
    assert str(photo) not in {row["path"] for row in near}


def test_the_nearest_of_a_copy_is_the_photo_itself(run, photos, tmp_path, call):
    photo = photo_zero(photos)
    shutil.copy(photo, tmp_path / "new.png")
    heading, line = call(
        "neighbors", run, tmp_path / "new.png", "-n", 1
    ).stdout.splitlines()
    assert heading.split() == ["similarity", "cluster", "path"]
    assert line.lstrip().startswith("1.00  cluster ")
    assert line.endswith(str(photo))
    assert heading.index("path") == line.index(str(photo))


def test_neighbors_agree_with_those_mined(run, photos, call):
    clusterer = load(run / "model")
    near = json.loads(
        call("neighbors", run, clusterer.image_names_[3], "-n", 4, "--json").stdout
    )
    graph = clusterer.neighbors_
    mined = {clusterer.image_names_[i] for i in graph.indices[3][:6]}
    assert {row["path"] for row in near} < mined  # in an order that rounding may change
    similarities = [row["similarity"] for row in near]
    assert_allclose(similarities, graph.similarities[3][:4], atol=0.05)


def test_commands_work_from_elsewhere(photos, tmp_path, call, monkeypatch):
    monkeypatch.chdir(photos.parent)
    call("fit", "photos", "-k", 2, "-o", tmp_path / "out", *QUICK)
    monkeypatch.chdir(tmp_path)
    call("report", "out")
    call("export", "out", "sorted", "--link")
    assert all(path.exists() for path in (tmp_path / "sorted").rglob("*.png"))


def test_embed(photos, tmp_path, call):
    options = QUICK[:6]
    result = call("embed", photos, "-o", tmp_path / "e.npy", "--json", *options)
    summary = json.loads(result.stdout)
    embedding = np.load(tmp_path / "e.npy")
    assert embedding.shape == (40, summary["n_features"])
    assert np.isnan(embedding).any(axis=1).sum() == summary["n_unreadable"] == 1
    paths = [row["path"] for row in read_rows((tmp_path / "e.csv").read_text())]
    assert sorted(os.path.basename(path) for path in paths)[0] == "broken.jpg"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".e.")]
    again = call("embed", photos, "-o", tmp_path / "e.npy", *options, expect=1)
    assert "--overwrite" in again.output


def test_encoders(call):
    assert "the default" in call("encoders").stdout
    kinds = call("encoders").stdout.splitlines()[-1].strip().split(", ")
    assert {"BYOL", "MoCo", "RawPixels", "RotNet", "SimCLR"} <= set(kinds)
    names = call("encoders", "dinov2").stdout.split()
    assert len(names) > 3
    assert all("dinov2" in name for name in names)
    assert call("encoders", "*dinov2*").stdout.split() == names
    assert call("encoders", "dinov2*", expect=1).output.startswith("Error: No pretr")
    assert "No pretrained model" in call("encoders", "*nothing*", expect=1).output


def test_what_is_known_of_encoders(call):
    shown = call("encoders").stdout
    for each in json.loads(call("encoders", "--json").stdout):
        (line,) = [line for line in shown.splitlines() if each["name"] in line]
        for field in ("pooling", "licence", "published"):
            assert each[field] in line
        assert f" {each['n_features']:,} " in line


def test_cache(photos, tmp_path, own_cache, call):
    memory = ["--memory", tmp_path / "kept"]
    call("fit", photos, "-k", 2, "-o", tmp_path / "out", *memory, *QUICK)
    info = json.loads(call("cache", *memory, "--json").stdout)
    assert sum(each["n_images"] for each in info["encoders"]) == 39
    assert "Deleted" in call("cache", *memory, "--clear").stdout
    assert json.loads(call("cache", *memory, "--json").stdout)["encoders"] == []


def test_help_of_every_command(call):
    for name in ["fit", "predict", "report", "relabel", "export", "neighbors",
                 "embed", "encoders", "cache"]:  # fmt: skip
        assert "Usage" in call(name, "--help").stdout
    assert "0.1" in call("--version").stdout
    assert call("clusterize", expect=2).exit_code == 2


def test_a_run_remembers_what_it_is_compared_with(photos, tmp_path, call):
    out = tmp_path / "out"
    call("fit", photos, "-k", 3, "-o", out, "--truth", "folders", *QUICK)
    relabeled = write_edits(tmp_path / "edits.json", out, names={"0": "round"})
    call("relabel", out, relabeled)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "round" in page
    assert "against the labels given" in page
    call("report", out)
    assert "against the labels given" in (out / "report.html").read_text("utf-8")


@pytest.mark.skipif(os.name == "nt", reason="there file names are texts")
def test_file_names_in_no_known_script(photos, run, tmp_path):
    folder = os.fsencode(tmp_path / "photos")
    os.mkdir(folder)
    odd = os.path.join(folder, b"photo \xff.png")
    try:
        shutil.copy(os.fsencode(photo_zero(photos)), odd)
    except OSError:
        pytest.skip("this file system takes no such names")
    command = [sys.executable, "-m", "sklearn_scan.cli", "predict", run, folder]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert odd in printed


def test_export_does_not_delete_the_only_copies(run, photos, tmp_path, call):
    mine = shutil.copytree(photos, tmp_path / "mine")
    table = (run / "labels.csv").read_text().replace(str(photos), str(mine))
    (run / "labels.csv").write_text(table)
    call("export", run, tmp_path / "sorted", "--copy")
    (mine / "circle" / "broken.jpg").unlink()
    again = ["export", run, tmp_path / "sorted", "--copy", "--overwrite"]
    assert "only copies" in call(*again, expect=1).output
    assert (tmp_path / "sorted" / "unreadable" / "broken.jpg").exists()
    assert "is no folder for" in call("export", run, run, "--link", expect=1).output
    inside = ["export", run, mine, "--copy", "--overwrite"]
    assert "only copies" in call(*inside, expect=1).output
    assert not (mine / ".sklearn-scan.json").exists()
    assert len(list(mine.rglob("*.png"))) == 39


def test_export_that_was_stopped_begins_again(run, tmp_path, call, monkeypatch):
    def stop(*args, **kwargs):
        (tmp_path / "sorted" / "cluster 1").mkdir(exist_ok=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(export_module, "_put", stop)
        stopped = call("export", run, tmp_path / "sorted", "--copy", expect=130)
    assert "The same command makes the rest" in stopped.output
    call("export", run, tmp_path / "sorted", "--copy")


def test_export_of_names_that_are_no_folders(run, tmp_path, call):
    names = {"0": "a/b", "1": "A?B", "2": "CON"}
    call("relabel", run, write_edits(tmp_path / "edits.json", run, names=names))
    summary = json.loads(
        call("export", run, tmp_path / "sorted", "--link", "--json").stdout
    )
    assert set(summary["folders"]) == {"a_b", "A_B-2", "_CON", "unreadable"}
    assert sum(summary["folders"].values()) == 40


def test_relabel_leaves_all_as_it_was_where_it_cannot_write_the_page(
    run, tmp_path, call, monkeypatch
):
    def fail(*args, **kwargs):
        raise OSError("no space left")

    edits = write_edits(tmp_path / "edits.json", run, names={"0": "round"})
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with monkeypatch.context() as patched:
        patched.setattr("sklearn_scan.cli._results.write_report", fail)
        call("relabel", run, edits, expect=1)
    changed = {p.name for p in run.rglob("*") if before.get(p) != _content(p)}
    assert changed <= {"log.txt"}
    summary = json.loads(call("relabel", run, edits, "--json").stdout)
    assert summary == {
        "n_named": 1, "n_merged": 0, "n_moved": 0, "n_new": 0, "n_left_out": 0,
        "n_clusters": 3,
    }  # fmt: skip
    assert "was applied already" in call("relabel", run, edits, expect=1).output


def _content(path):
    return path.read_bytes() if path.is_file() else None


def test_photos_are_those_of_the_run_wherever_it_is_called(
    photos, tmp_path, call, monkeypatch
):
    shutil.copytree(photos, tmp_path / "here" / "photos")
    monkeypatch.chdir(tmp_path / "here")
    call("fit", "photos", "-k", 2, "-o", tmp_path / "out", *QUICK)
    shutil.copytree(photos, tmp_path / "elsewhere" / "photos")
    monkeypatch.chdir(tmp_path / "elsewhere")
    call("export", tmp_path / "out", tmp_path / "sorted", "--link")
    targets = {path.resolve() for path in (tmp_path / "sorted").rglob("*.png")}
    assert all(path.is_relative_to(tmp_path / "here") for path in targets)


def test_neighbors_of_what_cannot_be_read(run, photos, call):
    result = call("neighbors", run, photos / "circle" / "broken.jpg", expect=1)
    assert "cannot be read" in result.output


def test_embed_knows_its_settings(photos, tmp_path, call):
    config = tmp_path / "run.toml"
    config.write_text('memmory = "x"\n')
    command = ["embed", photos, "-o", tmp_path / "e.v1", "--config", config]
    assert "Did you mean 'memory'" in call(*command, *QUICK[:6], expect=1).output
    call("embed", photos, "-o", tmp_path / "e.v1", "--memory", "none", *QUICK[:6])
    assert (tmp_path / "e.v1.npy").exists()


def test_embed_takes_the_file_of_a_fit(photos, tmp_path, call):
    config = tmp_path / "run.toml"
    config.write_text(
        'n_clusters = 3\nmethod = "temi"\nbeta = 0.5\nn_jobs = 1\n[encoder]\n'
        'pretext = "SimCLR"\nepochs = 1\nimage_size = 16\n'
    )
    command = ["embed", photos, "--config", config, "-o"]
    result = call(*command, tmp_path / "e.npy")
    assert "ignores n_clusters and beta." in result.output
    assert "ignores" not in call(*command, tmp_path / "f.npy", "--json").output
    again = call("embed", photos, "-o", tmp_path / "g.npy", *QUICK[:6], "--n-jobs", 1)
    assert "ignores" not in again.output
    expected = np.load(tmp_path / "g.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "e.npy"), expected)


def test_embed_has_the_encoder_that_a_method_begins_with(photos, tmp_path, call):
    config = tmp_path / "run.toml"
    config.write_text('method = "jule"\n')
    for name, options in (
        ("e", ["--config", config]),
        ("f", ["--encoder", "RawPixels"]),
    ):
        call("embed", photos, "-o", tmp_path / name, *options)
    e, f = (np.load(tmp_path / f"{name}.npy") for name in "ef")
    np.testing.assert_array_equal(e, f)


def test_report_as_json(run, call):
    summary = json.loads(call("report", run, "--projection", "pca", "--json").stdout)
    assert summary["n_clusters"] == 3
    assert summary["results"] == {"report.html": str(run / "report.html")}


def test_photos_that_are_all_gone(run, tmp_path, call):
    table = (run / "labels.csv").read_text().replace("photo", "gone")
    (run / "labels.csv").write_text(table.replace("broken", "gone"))
    result = call("export", run, tmp_path / "sorted", "--link", expect=1)
    assert "Put them back, or fit again" in result.output


def test_places_are_looked_at_before_the_work(run, photos, tmp_path, call):
    nowhere = tmp_path / "nowhere" / "new.csv"
    for command in (["predict", run], ["embed", *QUICK[:6]]):
        result = call(*command, photos, "-o", nowhere, expect=1)
        assert "no folder that can be written to" in result.output


def test_export_asks_for_a_way(run, tmp_path, call):
    result = call("export", run, tmp_path / "sorted", expect=2)
    assert "Say --link or --copy" in result.output
    assert not (tmp_path / "sorted").exists()


def test_true_classes_from_a_spreadsheet(run, tmp_path, call):
    rows = read_rows((run / "labels.csv").read_text())
    table = "\n".join(
        ["class;path", *(f"{row['label']};{row['path']}" for row in rows)]
    )
    (tmp_path / "truth.csv").write_text(table, encoding="utf-8-sig")
    truth = ["report", run, "--json", "--projection", "pca", "--truth"]
    summary = json.loads(call(*truth, tmp_path / "truth.csv").stdout)
    assert summary["agreement"]["accuracy"] == 39 / 40
    assert "there is no 'none.csv'" in call(*truth, "none.csv", expect=1).output
    assert "no column 'class'" in call(*truth, run / "labels.csv", expect=1).output


def test_embed_leaves_out_photos_above_the_limit(photos, tmp_path, call):
    options = ["--memory", "none", "--max-pixels", "1", "-o", tmp_path / "e.npy"]
    result = call("embed", photos, *options, *QUICK[:6], expect=1)
    assert "more than --max-pixels 1: pass a larger --max-pixels" in result.stderr
