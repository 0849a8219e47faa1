"""Which photos a command takes, and what it says of the others."""

import json
import os
import shutil

import pytest
from cli_helpers import QUICK


@pytest.fixture
def mixed(photos, tmp_path):
    """A folder of photos, of files that are not read, and of files of others."""
    folder = shutil.copytree(photos, tmp_path / "mixed")
    for name in ("a.HEIC", "square/b.heic", "c.mp4", "notes.txt", ".hidden.heic"):
        (folder / name).write_bytes(b"content")
    return folder


def test_files_that_are_not_read_are_counted(mixed, tmp_path, call):
    out = tmp_path / "out"
    result = call("fit", mixed, "-k", 3, "-o", out, *QUICK)
    line = "2 HEIC and 1 MP4 files were left out: they are not read."
    assert line in result.stdout
    assert line in (out / "log.txt").read_text()
    again = ["fit", mixed, "-k", 3, "-o", out, "--overwrite", "--json", *QUICK]
    skipped = json.loads(call(*again).stdout)["skipped"]
    assert skipped == {".heic": 2, ".mp4": 1, "other": 1}
    assert line in call("predict", out, mixed).stderr
    assert "left out" not in call("predict", out, mixed, "--json").stderr


def test_one_file_that_is_not_read(mixed, run, call):
    for name in ("a.HEIC", "c.mp4"):
        (mixed / name).unlink()
    shown = call("predict", run, mixed).stderr
    assert "1 HEIC file was left out: it is not read." in shown


def test_a_pattern_that_the_shell_did_not_expand(run, photos, call):
    every = call("predict", run, photos / "*" / "photo*.png").stdout
    assert len(every.splitlines()) == 40
    assert call("predict", run, f"{photos}/**/photo*.png").stdout == every
    twice = call("predict", run, photos / "circle", photos / "c*" / "photo*.png")
    once = call("predict", run, photos / "circle")
    assert twice.stdout == once.stdout


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "there is no 'nowhere'"),
        ("nowhere/*.jpg", "no file fits 'nowhere/*.jpg'"),
    ],
)
def test_photos_that_are_not_there(place, message, tmp_path, call):
    result = call("fit", place, "-o", tmp_path / "out", expect=2)
    assert message in " ".join(result.output.split())


def test_an_archive(photos, tmp_path, call):
    (photos_in := tmp_path / "here").mkdir()
    archive = shutil.make_archive(photos_in / "photos", "zip", photos)
    out = tmp_path / "out"
    assert "39 photos in 3" in call("fit", archive, "-k", 3, "-o", out, *QUICK).stdout
    call("report", out)
    assert len(call("predict", out, archive).stdout.splitlines()) == 41


def test_export_of_photos_in_an_archive(photos, run, tmp_path, call):
    archive = shutil.make_archive(tmp_path / "photos", "zip", photos)
    table = (run / "labels.csv").read_text(encoding="utf-8")
    inside = table.replace(str(photos), archive)
    (run / "labels.csv").write_text(inside, encoding="utf-8")
    refused = call("export", run, tmp_path / "linked", "--link", expect=1).output
    assert "cannot be linked to: pass --copy." in refused
    assert not (tmp_path / "linked").exists()
    shown = call("export", run, tmp_path / "sorted", "--copy").output
    assert shown.startswith("40 photos in 4 folders")
    copies = {path.name: path for path in (tmp_path / "sorted").rglob("*.png")}
    for photo in photos.rglob("*.png"):
        assert copies[photo.name].read_bytes() == photo.read_bytes()

    os.remove(archive)  # the copies may be the only ones now
    again = ["export", run, tmp_path / "sorted", "--copy", "--overwrite"]
    assert "The photos are no longer" in call(*again, expect=1).output
    assert all(copy.exists() for copy in copies.values())


def test_export_of_photos_at_addresses(photos, run, tmp_path, call):
    files = pytest.importorskip("fsspec").filesystem("memory")
    content = next(photos.rglob("photo 0.png")).read_bytes()
    files.pipe("/of-export/a/photo.png", content)
    files.pipe("/of-export/b/photo.png", content)
    names = ("a/photo.png", "b/photo.png?size=3", "b/photo.png", "gone.png")
    rows = [f"memory://of-export/{name},0,cluster 0,0.9" for name in names]
    table = "\n".join(["path,label,name,confidence", *rows])
    (run / "labels.csv").write_text(table, encoding="utf-8")
    assert (
        "pass --copy" in call("export", run, tmp_path / "x", "--link", expect=1).output
    )
    shown = call("export", run, tmp_path / "sorted", "--copy", expect=1).output
    assert "2 photos in 1 folder" in shown
    assert "Not found: 2 photos, such as 'memory://" in shown
    copies = (tmp_path / "sorted" / "cluster 0").iterdir()
    assert sorted(copy.name for copy in copies) == ["photo-3.png", "photo.png"]


def test_one_photo_of_an_archive(photos, run, tmp_path, call):
    archive = shutil.make_archive(tmp_path / "photos", "zip", photos)
    photo = next(photos.rglob("photo 0.png")).relative_to(photos)
    rows = call("predict", run, f"{archive}/{photo}").stdout.splitlines()
    assert rows[1].startswith(f"{archive}/{photo},")
    assert len(rows) == 2
    near = call("neighbors", run, f"{archive}/{photo}", "-n", 1).stdout.splitlines()
    assert near[1].endswith(photo.name)
    assert float(near[1].split()[0]) == pytest.approx(1)
    folder = call("predict", run, f"{archive}/{photo.parent}").stdout.splitlines()
    assert len(folder) > 2
    missing = f"{archive}/missing.png"
    assert "there is no" in call("predict", run, missing, expect=2).output
    assert "there is no" in call("neighbors", run, missing, expect=2).output
    whole = " ".join(call("neighbors", run, archive, expect=2).output.split())
    assert "is not one photo: pass a file." in whole


def test_an_address(photos, tmp_path, run, call):
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    photo = next(photos.rglob("photo 0.png"))
    files.pipe("/of-the-command/photo.png", photo.read_bytes())
    shown = call("predict", run, "memory://of-the-command").stdout
    assert "/of-the-command/photo.png," in shown
    unknown = call("predict", run, "nowhere://photos", expect=1).output
    assert unknown.startswith("Error: ")


def test_a_name_that_looks_like_a_pattern(photos, run, tmp_path, call):
    odd = shutil.copytree(photos / "square", tmp_path / "photos [2026]")
    assert "photos [2026]" in call("predict", run, odd).stdout


def test_truth_of_a_flat_folder(photos, tmp_path, call):
    fit = ["-k", 2, *QUICK, "--truth", "folders"]
    flat = call("fit", photos / "square", "-o", tmp_path / "flat", *fit)
    assert "100% of the photos are in one folder, 'square'" in flat.stderr
    assert "in one folder" in call("report", tmp_path / "flat").stderr
    sorted_ones = call("fit", photos, "-o", tmp_path / "out", *fit)
    assert "in one folder" not in sorted_ones.stderr
