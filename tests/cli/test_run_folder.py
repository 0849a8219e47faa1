"""The folder of results: nothing is overwritten or deleted that is not its own."""

import json

import pytest

from sklearn_scan.cli._run_folder import EXPORT, RunFolder, find_model
from sklearn_scan.core.files import durable_file


def finished(path, names=("labels.csv",)):
    folder = RunFolder(path)
    folder.prepare(names, overwrite=False)
    for name in names:
        folder.place(name).parent.mkdir(exist_ok=True)
        folder.place(name).write_text("ours")
    folder.finish()
    return folder


def test_a_new_folder_is_made(tmp_path):
    finished(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "labels.csv").read_text() == "ours"


def test_a_finished_run_asks_for_overwrite(tmp_path):
    finished(tmp_path / "out")
    with pytest.raises(ValueError, match="--overwrite"):
        RunFolder(tmp_path / "out").prepare(["labels.csv"], overwrite=False)
    RunFolder(tmp_path / "out").prepare(["labels.csv"], overwrite=True)


def test_a_run_that_was_stopped_goes_on(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare(["labels.csv"], overwrite=False)
    folder.place("labels.csv").write_text("half")
    RunFolder(tmp_path).prepare(["labels.csv"], overwrite=False)


def test_what_others_put_there_asks_for_overwrite_and_stays(tmp_path):
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        RunFolder(tmp_path).prepare(["labels.csv"], overwrite=False)
    folder = RunFolder(tmp_path)
    folder.prepare(["labels.csv"], overwrite=True)
    folder.clear()
    assert (tmp_path / "diary.txt").read_text() == "mine"


def test_a_file_of_the_users_is_never_replaced(tmp_path):
    (tmp_path / "labels.csv").write_text("mine")
    with pytest.raises(ValueError, match="was not made by sklearn-scan"):
        RunFolder(tmp_path).prepare(["labels.csv"], overwrite=True)
    assert (tmp_path / "labels.csv").read_text() == "mine"


def test_clear_deletes_what_was_made_only(tmp_path):
    folder = finished(tmp_path, ["cats/1.jpg", "dogs/2.jpg"])
    (tmp_path / "cats" / "mine.jpg").write_text("mine")
    folder.clear()
    assert [p.name for p in (tmp_path / "cats").iterdir()] == ["mine.jpg"]
    assert not (tmp_path / "dogs").exists()


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        RunFolder(tmp_path / "out").prepare([], overwrite=True)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written to"):
        RunFolder(tmp_path / "file" / "out").prepare([], overwrite=False)


def test_a_folder_of_no_run(tmp_path):
    with pytest.raises(ValueError, match="not a folder that"):
        RunFolder(tmp_path).open()


@pytest.mark.parametrize(
    "change",
    [
        {"made": ["../else"]},
        {"made": ["/etc/else"]},
        {"made": [3]},
        {"version": "1"},
        {"finished": None},
        {"format": "other"},
    ],
)
def test_a_note_that_is_damaged_or_leads_elsewhere(tmp_path, change):
    finished(tmp_path / "out")
    note = tmp_path / "out" / ".sklearn-scan.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | change))
    with pytest.raises(ValueError, match="is damaged"):
        RunFolder(tmp_path / "out").prepare([], overwrite=True)


def test_links_to_other_folders_are_not_followed(tmp_path):
    folder = finished(tmp_path / "out", ["cats/1.jpg"])
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "out" / "cats").rename(elsewhere)
    (tmp_path / "out" / "cats").symlink_to(elsewhere)
    folder.clear()
    assert (elsewhere / "1.jpg").exists()


def test_a_folder_of_another_command(tmp_path):
    finished(tmp_path / "out")
    with pytest.raises(ValueError, match="was made by `sklearn-scan fit`"):
        RunFolder(tmp_path / "out", EXPORT).prepare([], overwrite=True)


def test_a_note_of_a_newer_version(tmp_path):
    finished(tmp_path / "out")
    note = tmp_path / "out" / ".sklearn-scan.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"version": 99}))
    with pytest.raises(ValueError, match="newer sklearn-scan"):
        RunFolder(tmp_path / "out").open()


def test_what_a_command_left_that_was_killed_at_its_first_note(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with durable_file(out / ".sklearn-scan.json"):
        (part,) = out.glob("*.part")
    part.touch()
    (out / ".sklearn-scan.json").unlink()
    RunFolder(out).prepare(["labels.csv"], overwrite=False)
    assert [path.name for path in out.iterdir()] == [".sklearn-scan.json"]


def test_the_model_of_a_run_that_was_killed_while_it_was_replaced(tmp_path):
    before = tmp_path / f".model.{'0' * 22}.before"
    before.mkdir()
    assert find_model(tmp_path) == before
    before.rename(tmp_path / "model")
    assert find_model(tmp_path) == tmp_path / "model"
