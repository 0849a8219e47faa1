"""A checkpoint: entries kept whole, the last two states, and refusals that say why."""

import errno
import json
import os
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from sklearn_scan.core import disk
from sklearn_scan.core.checkpoint import (
    delete_checkpoint,
    is_checkpoint,
    open_checkpoint,
)
from sklearn_scan.core.documents import write_document
from sklearn_scan.exceptions import CheckpointError

FACTS = {"n_clusters": "10", "torch": "2.9.0"}


@contextmanager
def begun(folder, facts=FACTS, seeds=(1, 2)):
    """Open a checkpoint and note the facts."""
    with open_checkpoint(folder) as checkpoint:
        checkpoint.begin(facts, seeds)
        yield checkpoint


def states(folder):
    return sorted(
        each.name for each in folder.iterdir() if each.name.startswith("state-")
    )


def hidden(folder):
    return [each.name for each in folder.rglob(".*")]


@pytest.fixture
def filled(tmp_path):
    """A checkpoint of three states after its beginning."""
    folder = tmp_path / "checkpoint"
    with begun(folder) as checkpoint:
        checkpoint.put({"graph": np.arange(5)})
        checkpoint.put({"loop": {"step": 1}})
        checkpoint.put({"loop": {"step": 2}})
    return folder


def test_without_a_folder_there_is_none(tmp_path):
    with open_checkpoint(None) as checkpoint:
        assert checkpoint is None
    with open_checkpoint(tmp_path / "new") as checkpoint:
        assert checkpoint.seeds_or([3]) == [3]


def test_entries_come_back(filled):
    with begun(filled) as checkpoint:
        assert checkpoint.get("loop") == {"step": 2}
        np.testing.assert_array_equal(checkpoint.get("graph"), np.arange(5))
        assert "other" not in checkpoint
        with pytest.raises(KeyError, match="other"):
            checkpoint.get("other")
        assert checkpoint.seeds_or([3, 4]) == [1, 2]
        assert checkpoint.seeds_or([3]) == [3]
    assert hidden(filled) == []


def test_two_states_are_kept_and_what_they_need(filled):
    assert states(filled) == [
        "state-000002",
        "state-000003",
        "state-000004",
    ]  # 2 holds the graph
    with begun(filled) as checkpoint:
        checkpoint.put({"end": "done"}, drop=["loop", "graph"])
        assert "loop" not in checkpoint
        assert states(filled) == ["state-000002", "state-000004", "state-000005"]
        checkpoint.put({})
    assert states(filled) == ["state-000005", "state-000006"]


@pytest.mark.parametrize(
    ("facts", "difference"),
    [
        ({"n_clusters": "9", "torch": "2.9.0"}, "n_clusters was 10, and is 9"),
        ({"class": "SimCLR"}, "class was None, and is SimCLR"),
        (FACTS | {"torch": "2.8.0"}, "torch was 2.9.0, and is 2.8.0"),
        ({"torch": "2.9.0"}, "n_clusters was 10, and is None"),
        (FACTS | {"beta": "1"}, "beta was None, and is 1"),
        (FACTS | {"n_clusters": "9" * 61}, "n_clusters is not the same"),
    ],
)
def test_other_work_is_refused_and_the_difference_named(facts, difference, filled):
    with (
        pytest.raises(CheckpointError, match=f"of another fit: {difference}. Make the"),
        begun(filled, facts),
    ):
        pass
    with begun(filled) as checkpoint:  # which is as it was
        assert checkpoint.get("loop") == {"step": 2}


def test_before_any_work_other_facts_are_taken(tmp_path):
    with begun(tmp_path / "c") as checkpoint:
        checkpoint.check_same("the network", "abc")
    with begun(tmp_path / "c", {"n_clusters": "9"}) as checkpoint:
        checkpoint.check_same("the network", "def")
        checkpoint.place("encoder").mkdir(parents=True)
        (checkpoint.place("encoder") / "file").touch()
    with (
        pytest.raises(CheckpointError, match="n_clusters was 9"),
        begun(tmp_path / "c"),
    ):
        pass


def test_of_another_encoder_the_parts_are_not_named(tmp_path):
    parts = {"encoder": "SimCLR", "encoder.epochs": "3", "encoder.stem": "auto"}
    with begun(tmp_path / "c", parts) as checkpoint:
        checkpoint.put({"loop": 1})
    other = {"encoder": "RotNet", "encoder.epochs": "4"}
    with (
        pytest.raises(CheckpointError, match=r"encoder was SimCLR, and is RotNet\. Ma"),
        begun(tmp_path / "c", other),
    ):
        pass
    with (
        pytest.raises(CheckpointError, match=r"encoder\.epochs was 3, and is 4\. Ma"),
        begun(tmp_path / "c", parts | other | {"encoder": "SimCLR"}),
    ):
        pass


def test_another_seed_is_refused(filled):
    with pytest.raises(CheckpointError, match="random_state is not the same"):
        begun(filled, seeds=(3, 4)).__enter__()


def test_a_fact_that_is_found_later_is_compared_too(filled):
    with begun(filled) as checkpoint:
        checkpoint.check_same("the network", "abc")
        checkpoint.check_same("the network", "abc")
        with pytest.raises(CheckpointError, match="the network is not the same"):
            checkpoint.check_same("the network", "def")


def test_one_fit_at_a_time(filled):
    with (
        begun(filled),
        pytest.raises(CheckpointError, match="is in use by another fit"),
        open_checkpoint(filled),
    ):
        pass


def test_folders_of_the_user_are_no_states(tmp_path):
    for name in ("202401", "20240315", ".2024-notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo.jpg").write_text("mine")
    with pytest.raises(CheckpointError, match="holds other things"), begun(tmp_path):
        pass
    assert len(list(tmp_path.rglob("photo.jpg"))) == 3


def test_a_latest_state_that_is_gone_is_warned_of(filled):
    shutil.rmtree(filled / "state-000004")
    with pytest.warns(UserWarning, match="state-000004 is missing.* from state-000003"):
        assert get_loop(filled) == {"step": 1}


def test_damage_of_the_earlier_states_costs_nothing(filled):
    """The latest is whole: nothing is told, and they go when the next ones are kept."""
    for name in ("state-000002", "state-000003"):
        (filled / name / "state.json").write_text("{")
    with begun(filled) as checkpoint:
        assert checkpoint.get("loop") == {"step": 2}
        np.testing.assert_array_equal(checkpoint.get("graph"), np.arange(5))
        checkpoint.put({"loop": {"step": 3}})
    assert states(filled) == ["state-000002", "state-000004", "state-000005"]
    assert get_loop(filled) == {"step": 3}


def test_an_error_of_the_work_is_not_taken_for_one_of_the_folder(tmp_path):
    with pytest.raises(TimeoutError, match="of the work"), begun(tmp_path / "c"):
        raise TimeoutError("of the work")


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "photo.jpg").write_text("mine")
    with (
        pytest.raises(CheckpointError, match=r"holds other things \('photo.jpg'\)"),
        begun(tmp_path),
    ):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["photo.jpg"]
    with (
        pytest.raises(CheckpointError, match="must be a folder"),
        begun(tmp_path / "photo.jpg"),
    ):
        pass


# -- damage ----------------------------------------------------------------------------


def files_of(folder):
    return sorted(file for file in folder.rglob("*") if file.is_file())


def flip(file, at):
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)


def get_loop(folder):
    with open_checkpoint(folder) as checkpoint:
        return checkpoint.get("loop")


def test_every_flipped_byte_is_noticed(filled):
    """The work goes on from a sound state, or there is an error; never from another."""
    latest = [*files_of(filled / "state-000004"), filled / "checkpoint.json"]
    for file in latest:
        whole = file.read_bytes()
        for at in range(0, len(whole), 7):
            flip(file, at)
            with pytest.warns(UserWarning, match="is damaged .* goes on from state"):
                found = get_loop(filled)
            # of a damaged pointer the latest state is still the latest
            assert found == {"step": 2 if file.name == "checkpoint.json" else 1}
            file.write_bytes(whole)


def test_damage_after_it_was_opened_is_named(filled):
    with begun(filled) as checkpoint:
        for file in files_of(filled):
            if file.name == "graph.safetensors":
                file.write_bytes(b"no tensors")
        with pytest.raises(CheckpointError, match=r"is damaged .* to begin anew"):
            checkpoint.get("graph")


@pytest.mark.parametrize(
    "entries",
    [
        {"../../graph": {"folder": "state-000002", "sha256": ""}},
        {"graph": {"folder": "..", "sha256": ""}},
        {"graph": {}},
        {"graph": 3},
        [],
    ],
)
def test_entries_that_lead_elsewhere_are_refused(entries, filled):
    for state in states(filled):
        document = json.loads((filled / state / "state.json").read_text())
        write_document(filled / state / "state.json", document | {"entries": entries})
    with pytest.raises(CheckpointError, match="is damaged"), open_checkpoint(filled):
        pass


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "empty"])
def test_without_a_sound_state_there_is_an_error(damage, filled):
    for file in files_of(filled):
        if file.name == "graph.safetensors":  # which both states need
            if damage == "flip":
                flip(file, -1)
            elif damage == "cut":
                file.write_bytes(file.read_bytes()[:-1])
            elif damage == "empty":
                file.write_bytes(b"")
            else:
                file.unlink()
    with (
        pytest.raises(CheckpointError, match=r"is damaged .*000004.*000003.* to begin"),
        open_checkpoint(filled),
    ):
        pass


def test_a_newer_format_is_refused(filled):
    for file in files_of(filled):
        if file.suffix == ".json":
            document = json.loads(file.read_text())
            file.write_text(json.dumps(document | {"version": 99}))
    with pytest.raises(CheckpointError, match="version 99"), open_checkpoint(filled):
        pass


# -- disks -----------------------------------------------------------------------------


def test_the_work_goes_on_where_a_state_cannot_be_written(filled, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with begun(filled) as checkpoint:
        with monkeypatch.context() as patched:
            patched.setattr(disk, "write_by_name", full)
            with pytest.warns(UserWarning, match="No space left .* the work goes on"):
                checkpoint.put({"loop": {"step": 3}})
            checkpoint.put({"loop": {"step": 4}})  # told once
        assert checkpoint.get("loop") == {"step": 2}
        checkpoint.put({"loop": {"step": 5}})  # there is room again
    with begun(filled) as checkpoint:
        assert checkpoint.get("loop") == {"step": 5}
    assert hidden(filled) == []


@pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="root may write to any folder",
)
def test_a_folder_that_cannot_be_written_to_is_an_error_at_the_beginning(tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir(mode=0o500)
    with pytest.raises(OSError, match="checkpoint"), begun(folder):
        pass


def test_a_beginning_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(disk, "make_folder", read_only)
    with pytest.raises(OSError, match="Read-only file system"), begun(tmp_path / "c"):
        pass


def test_it_can_be_deleted(filled):
    assert is_checkpoint(filled)
    delete_checkpoint(filled)
    assert not filled.exists()
    delete_checkpoint(filled)
    assert not is_checkpoint(filled)


def test_a_half_deleted_one_is_as_a_new_one(filled, monkeypatch):
    (filled / "state-parts" / "encoder").mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.setattr(disk, "remove_folder", lambda path: None)
        delete_checkpoint(filled)
    assert not is_checkpoint(filled)
    with begun(filled, {"n_clusters": "3"}) as checkpoint:
        assert "loop" not in checkpoint
        assert not checkpoint.place("encoder").exists()
    with begun(filled, {"n_clusters": "3"}):
        assert is_checkpoint(filled)


def test_one_that_was_killed_as_it_began_is_as_a_new_one(filled):
    for name in ("state-000002", "state-000003", "state-000004"):
        shutil.rmtree(filled / name)
    (filled / "checkpoint.json").unlink()
    with begun(filled, {"n_clusters": "3"}) as checkpoint:
        assert "loop" not in checkpoint


def test_without_its_pointer_the_latest_state_is_used(filled):
    (filled / "checkpoint.json").unlink()
    with pytest.warns(UserWarning, match=r"checkpoint\.json is missing.*state-000004"):
        assert get_loop(filled) == {"step": 2}


def test_a_damaged_one_is_one(filled):
    (filled / "checkpoint.json").write_text("{")
    assert is_checkpoint(filled)


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with begun("~/checkpoint"):
        assert (tmp_path / "checkpoint" / "checkpoint.json").exists()


def test_tensors_on_any_layout_are_kept(tmp_path):
    weights = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    with begun(tmp_path / "c") as checkpoint:
        checkpoint.put({"loop": weights})
        assert torch.equal(checkpoint.get("loop"), weights)
