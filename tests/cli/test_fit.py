"""From photos to a folder of results."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from importlib import import_module

import numpy as np
import pytest
from cli_helpers import QUICK
from PIL import Image

from sklearn_scan import load
from sklearn_scan.cli._run_folder import RunFolder
from sklearn_scan.cli._settings import make_estimator
from sklearn_scan.cli._summary import describe, summarize
from sklearn_scan.core.durations import describe_duration
from sklearn_scan.encoders._embedding import EmbeddingPass

fit_module = import_module("sklearn_scan.cli._fit")


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_results(finished_run, photos):
    out, _ = finished_run
    names = {path.name for path in out.iterdir()}
    assert names == {
        "labels.csv", "report.html", "model", "log.txt", ".sklearn-scan.json",
    }  # fmt: skip
    rows = read_csv(out / "labels.csv")
    assert len(rows) == 40
    assert list(rows[0]) == ["path", "label", "name", "confidence"]
    assert {row["label"] for row in rows} <= {"-1", "0", "1", "2"}
    (broken,) = [row for row in rows if row["label"] == "-1"]
    assert broken["path"] == str(photos / "circle" / "broken.jpg")
    assert (broken["name"], broken["confidence"]) == ("", "")
    sure = [float(row["confidence"]) for row in rows if row["confidence"]]
    assert min(sure) >= 1 / 3
    clusterer = load(out / "model")
    assert clusterer.labels_.tolist() == [int(row["label"]) for row in rows]
    assert clusterer.random_state == 0


def test_the_summary_is_short_and_says_where_to_look(finished_run):
    out, result = finished_run
    lines = result.stdout.splitlines()
    assert len(lines) < 15
    assert lines[0] == "39 photos in 3 clusters, by SCANClusterer on SimCLR."
    assert sum(map(int, lines[2].removeprefix("Sizes: ").rstrip(".").split(","))) == 39
    assert "Look first at 'cluster " in result.stdout
    assert "1 photo cannot be read" in result.stdout
    assert str(out / "report.html") in result.stdout


def test_what_is_known_without_labels_comes_before_advice(finished_run):
    lines = finished_run[1].stdout.splitlines()
    starts = [line.split(":")[0].split(" at ")[0] for line in lines]
    begin = starts.index("Sizes") + 1
    assert starts[begin : begin + 6] == [
        "Groups", "Neighbours agree", "Stable", "Expected right", "Too few images",
        "Look first",
    ]  # fmt: skip


@pytest.mark.parametrize("n_clusters", [1, 2])
def test_what_is_known_without_labels_as_json(n_clusters, photos, tmp_path, call):
    fit = ["fit", photos, "-k", n_clusters, "-o", tmp_path / "out", "--json"]
    quality = json.loads(call(*fit, "--encoder", "RawPixels").stdout)["quality"]
    assert sorted(quality) == [
        "expected_accuracy", "neighbor_agreement", "score", "stability",
    ]  # fmt: skip
    for value in quality.values():
        assert value is None if n_clusters == 1 else 0 <= value <= 1


def test_one_meaning_of_time(photos, tmp_path, call):
    out = tmp_path / "out"
    result = call("fit", photos, "-k", 3, "-o", out, "--json", *QUICK)
    seconds = json.loads(result.stdout)["seconds"]
    clusterer = load(out / "model")
    fit = sum(clusterer.stage_times_.values())
    assert seconds["fit"] == pytest.approx(fit, abs=0.01)
    assert seconds["in all"] > seconds["fit"]
    took = describe_duration(fit)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert f"<dt>Time</dt><dd>{took.replace('<', '&lt;')}</dd>" in page
    shown = describe({**summarize(clusterer), "seconds": seconds}, [])
    assert shown[1].startswith(f"Embedding and clustering took {took}, with loading")


def test_the_log(finished_run):
    log = (finished_run[0] / "log.txt").read_text()
    assert "SCANClusterer(" in log
    assert "broken.jpg: " in log
    assert "39 photos in 3 clusters" in log


@pytest.mark.parametrize("encoder", [[], ["--encoder", "RawPixels"]])
def test_jule(encoder, photos, tmp_path, call):
    out = tmp_path / "out"
    options = ["--method", "jule", "--max-epochs", 2, "--unrolling-rate", 0.8]
    result = call("fit", photos, "-k", 3, "-o", out, *options, *encoder)
    assert result.stdout.startswith("39 photos in 3 clusters, by JULEClusterer on RawP")
    clusterer = load(out / "model")
    assert clusterer.unrolling_rate == 0.8
    rows = read_csv(out / "labels.csv")
    assert [int(row["label"]) for row in rows] == clusterer.labels_.tolist()
    (photo,) = photos.rglob("photo 0.png")
    assert "label" in call("predict", out, photo).stdout


def test_help_names_methods_and_encoders(call):
    shown = " ".join(call("fit", "--help").stdout.split())
    assert "scan|temi|jule" in shown
    assert "RawPixels" in shown


def test_the_same_command_goes_on(photos, weights, tmp_path, call, monkeypatch):
    pretrained = [
        "--encoder", "test_resnet", "--encoder-checkpoint", weights,
        "--encoder-input-size", 32, "--memory", "none", *QUICK[6:],
    ]  # fmt: skip
    out, again = tmp_path / "out", ["fit", photos, "-k", 3, "-o", tmp_path / "out"]
    with monkeypatch.context() as patched:
        patched.setattr("sklearn_scan.clusterers.scan.SCANClusterer._stages", stop)
        result = call(*again, *pretrained, expect=130)
    assert "What was done is kept, and the same command goes on" in result.output
    result = call(*again, *QUICK, expect=1)
    assert "is of another fit: " in result.output
    assert "encoder was ImageEncoder, and is SimCLR." in result.output
    assert "or pass --overwrite to begin anew" in result.output
    with monkeypatch.context() as patched:  # nothing is embedded again
        patched.setattr(EmbeddingPass, "run", stop)
        patched.setattr("sklearn_scan.cli._results.save", stop)
        call(*again, *pretrained, expect=130)
    call(*again, *pretrained)
    assert not (out / ".checkpoint").exists()
    call("fit", photos, "-k", 3, "-o", tmp_path / "whole", *pretrained)
    found, whole = (load(each / "model") for each in (out, tmp_path / "whole"))
    assert np.array_equal(found.probabilities_, whole.probabilities_, equal_nan=True)


def test_overwrite_begins_anew_where_settings_differ(
    photos, tmp_path, call, monkeypatch
):
    again = ["fit", photos, "-o", tmp_path / "out", *QUICK]
    with monkeypatch.context() as patched:
        patched.setattr("sklearn_scan.clusterers.scan.SCANClusterer._stages", stop)
        call(*again, "-k", 3, expect=130)
    call(*again, "-k", 2, "--overwrite")
    assert load(tmp_path / "out" / "model").n_clusters_ == 2
    assert not (tmp_path / "out" / ".checkpoint").exists()


def test_a_clusterer_without_a_checkpoint_says_so():
    class Plain:
        def __init__(self):
            self.encoder = None

    assert "begins anew" in fit_module._how_to_go_on(Plain())
    assert "goes on" in fit_module._how_to_go_on(make_estimator({}))


def test_json(photos, tmp_path, call):
    out = tmp_path / "out"
    result = call(
        "fit", photos / "circle", photos / "square", "-k", 2, "-o", out, "--json",
        "--truth", "folders", *QUICK,
    )  # fmt: skip
    summary = json.loads(result.stdout)
    assert summary["n_images"] == 27
    assert summary["n_unreadable"] == 1
    assert sum(summary["cluster_sizes"]) == 26
    assert 0 <= summary["agreement"]["accuracy"] <= 1
    assert summary["results"]["model"] == str(out / "model")


def test_two_runs_are_equal(finished_run, photos, tmp_path, call):
    call("fit", photos, "-k", 3, "-o", tmp_path / "out", *QUICK)
    first, second = load(finished_run[0] / "model"), load(tmp_path / "out" / "model")
    assert np.array_equal(first.probabilities_, second.probabilities_, equal_nan=True)


def test_a_toml_file_and_an_automatic_number(photos, tmp_path, call):
    config = tmp_path / "run.toml"
    config.write_text(
        "n_heads = 6\nmax_epochs = 5\nfinetune = false\nself_label_epochs = 0\n"
        '[encoder]\npretext = "SimCLR"\nepochs = 1\nimage_size = 16\n'
    )
    call("fit", photos, "-k", "auto", "--config", config, "-o", tmp_path / "out")
    clusterer = load(tmp_path / "out" / "model")
    assert clusterer.n_clusters == "auto"
    assert clusterer.max_epochs == 5
    assert not clusterer.self_labeled_


def test_a_folder_that_is_not_empty(photos, tmp_path, call):
    (tmp_path / "diary.txt").write_text("mine")
    result = call("fit", photos, "-k", 3, "-o", tmp_path, *QUICK, expect=1)
    assert "--overwrite" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_overwrite(run, photos, call):
    (run / "diary.txt").write_text("mine")
    call("fit", photos, "-k", 2, "-o", run, *QUICK, expect=1)
    assert load(run / "model").n_clusters_ == 3
    call("fit", photos, "-k", 2, "-o", run, "--overwrite", *QUICK)
    assert load(run / "model").n_clusters_ == 2
    assert (run / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-k", "0"], 1, "--n-clusters must be at least 1; got 0"),
        (["-k", "many"], 1, "--n-clusters must be 'auto' or a number"),
        (["--n-heads", "-2"], 1, "--n-heads must be at least 1"),
        (["--encoder", "resnet19"], 1, "Did you mean"),
        (["--truth", "none.csv"], 1, "none.csv"),
        (["--no-such-option"], 2, "No such option"),
        (["--config", "none.toml"], 2, "does not exist"),
    ],
)
def test_wrong_settings_are_told_in_a_line(
    photos, tmp_path, call, arguments, code, message
):
    result = call("fit", photos, "-o", tmp_path / "out", *arguments, expect=code)
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_folder_without_photos(tmp_path, call):
    (tmp_path / "photos").mkdir()
    result = call("fit", tmp_path / "photos", "-o", tmp_path / "out", expect=1)
    assert "hold images" in result.output
    assert not (tmp_path / "out").exists()


def test_the_hub_out_of_reach_says_which_options_help(
    photos, tmp_path, call, monkeypatch
):
    def refuse():
        raise OSError("no network")

    monkeypatch.setattr("sklearn_scan.encoders.backbones._build.probe_hub", refuse)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no hub"))
    result = call("fit", photos, "-o", tmp_path / "out", expect=1)
    assert "could not be fetched from the model hub" in result.output
    assert "--encoder-checkpoint" in result.output


def stop(*args, **kwargs):
    raise KeyboardInterrupt


def test_stopped_while_another_run_is_replaced(photos, run, call, monkeypatch):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    monkeypatch.setattr("sklearn_scan.cli._results.save", stop)
    again = ["fit", photos, "-k", 2, "-o", run, "--overwrite", *QUICK]
    call(*again, expect=130)
    changed = {p.name for p in before if p.read_bytes() != before[p]}
    assert changed <= {"log.txt", ".sklearn-scan.json"}
    # its results were about to be replaced: it goes on without --overwrite too
    assert "goes on" in call(*again[: -1 - len(QUICK)], *QUICK, expect=130).output


def test_results_that_are_half_replaced_are_not_used(photos, run, call, monkeypatch):
    again = ["fit", photos, "-k", 2, "-o", run, "--overwrite", *QUICK]
    with monkeypatch.context() as patched:  # after the model, before the labels
        patched.setattr("sklearn_scan.cli._results.LabelTable.write_csv", stop)
        call(*again, expect=130)
    for command in (
        ["predict", run, photos],
        ["report", run],
        ["export", run, "x", "--link"],
    ):
        result = call(*command, expect=1)
        assert "holds a run that was stopped: give the same" in result.output
    call(*again)
    assert load(run / "model").n_clusters_ == 2
    call("report", run)


def test_a_run_that_was_stopped_says_so(photos, tmp_path, call, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr("sklearn_scan.clusterers.scan.SCANClusterer._stages", stop)
        call("fit", photos, "-k", 3, "-o", out, *QUICK, expect=130)
    result = call("report", out, expect=1)
    assert "holds a run that was stopped: give the same" in result.output


def test_stopped_while_the_page_is_written(photos, tmp_path, call, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(fit_module, "write_report", stop)
        result = call("fit", photos, "-k", 3, "-o", out, *QUICK, expect=130)
    assert f"sklearn-scan report {out}" in result.output
    assert (out / "labels.csv").exists()
    call("report", out)
    assert (out / "report.html").exists()
    (out / "report.html").unlink()
    call("fit", photos, "-k", 3, "-o", out, *QUICK)  # the same goes on too
    assert (out / "report.html").exists()
    assert not (out / ".checkpoint").exists()


def test_odd_file_names(tmp_path, call):
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ["a,b.png", 'q"uote.png', "emoji 🐱.png", "new\nline.png", "<script>.png"]
    rng = np.random.default_rng(0)
    for i in range(12):
        name = names[i] if i < len(names) else f"{i}.png"
        pixels = rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    call("fit", folder, "-k", 2, "-o", tmp_path / "out", *QUICK)
    found = {row["path"] for row in read_csv(tmp_path / "out" / "labels.csv")}
    assert {str(folder / name) for name in names} <= found


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c(photos, tmp_path, call):
    out = tmp_path / "out"
    endless = ["--encoder", "SimCLR", "--encoder-epochs", "100000", "--verbose", "1"]
    command = [sys.executable, "-m", "sklearn_scan.cli", "fit", photos, "-o", out]
    process = subprocess.Popen(
        [*command, *endless], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    limit = threading.Timer(60, process.kill)  # lest the bar never comes
    limit.start()
    for line in process.stderr:  # the progress bar
        if "epoch" in line:
            break
    limit.cancel()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopped." in errors
    assert "Traceback" not in errors
    call("fit", photos, "-k", 3, "-o", out, "--overwrite", *QUICK)


def test_a_users_file_in_the_models_folder_stays(photos, run, call):
    (run / "model" / ".DS_Store").write_text("Finder's")
    call("fit", photos, "-k", 2, "-o", run, "--overwrite", *QUICK)
    assert load(run / "model").n_clusters_ == 2
    assert (run / "model" / ".DS_Store").read_text() == "Finder's"


def test_none_keeps_no_embeddings(photos, tmp_path, call, own_cache, monkeypatch):
    monkeypatch.setenv("SKLEARN_SCAN_CACHE", str(tmp_path / "unused"))
    options = ["--memory", "none", "--n-jobs", "none", "--verbose", 0]
    call("fit", photos, "-k", 2, "-o", tmp_path / "out", *options, *QUICK)
    assert not (tmp_path / "unused").exists()
    assert not (tmp_path / "none").exists()


def test_an_error_leaves_its_trace_in_the_log(photos, tmp_path, call, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("out of luck")

    monkeypatch.setattr("sklearn_scan.clusterers.scan.SCANClusterer._stages", fail)
    result = call("fit", photos, "-o", tmp_path / "out", "-k", 3, *QUICK, expect=1)
    assert "Error: out of luck" in result.output
    assert "Traceback" not in result.output
    assert "Traceback" in (tmp_path / "out" / "log.txt").read_text()


def test_one_photo(photos, tmp_path, call):
    result = call(
        "fit", photos / "circle" / "broken.jpg", "-o", tmp_path / "x", expect=1
    )
    assert "at least two are needed" in result.output
    assert not (tmp_path / "x").exists()


def test_another_command_at_work(run, photos, call):
    with RunFolder(run).open().alone():
        again = ["fit", photos, "-k", 2, "-o", run, "--overwrite", *QUICK]
        assert "Another sklearn-scan is at work" in call(*again, expect=1).output
        assert "is at work" in call("report", run, expect=1).output
    call(*again)
    assert ".sklearn-scan.lock" not in {path.name for path in run.iterdir()}


def test_an_encoder_that_chooses_how_to_learn(photos, tmp_path, call, step_clock):
    out = tmp_path / "out"
    options = ["--finetune", "false", "--n-heads", "2", "--max-epochs", "1"]
    learn = ["--encoder", "learn", "--max-minutes", (13 + 2) / 60, "--device", "cpu"]
    result = call("fit", photos, "-k", 3, "-o", out, *options, *learn)
    assert "Learning an encoder from 40 colour images of 24 pixels" in result.stderr
    assert "2 passes, about 2 seconds on cpu." in result.stderr
    assert load(out / "model").encoder_.pretext_.n_epochs_ == 2


def test_a_budget_of_the_encoder_too_short(photos, tmp_path, call, step_clock):
    learn = ["--encoder", "learn", "--max-minutes", 0.1, "-o", tmp_path / "out"]
    result = call("fit", photos, "-k", 3, *learn, expect=1)
    assert "--encoder-max-minutes 0.1 is too short for one epoch" in result.output
