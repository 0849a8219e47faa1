"""Some of the files of `mutate_files.py`, and that it finds what is wrong."""

import json
import random
import sys

import mutate_files
import mutated_kinds
import mutations
import pytest

# the light ones; the whole harness opens models and caches too, in a process
LIGHT = ("crafted graph", "graph", "truth table", "edits", "run note", "config")


@pytest.mark.parametrize("name", LIGHT)
def test_damaged_and_crafted_files_are_refused_or_right(name, tmp_path):
    kind = mutated_kinds.KINDS[name]
    for number in range(25):
        folder = tmp_path / str(number)
        folder.mkdir()
        kind.make(folder)
        mutate_files.mutate(kind, folder, random.Random(f"0 {number}"))
        outcome = mutate_files.judge(kind, folder / kind.name)
        assert outcome.startswith(("right", "refused: ")), outcome


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded as on Linux")
@pytest.mark.slow
def test_all_kinds_in_a_process_of_little_memory():
    counts, wrong = mutate_files.run(list(mutated_kinds.KINDS), 40, seed=7)
    assert counts.total() == 40
    assert not wrong


def test_the_harness_finds_what_is_wrong(tmp_path):
    def fail(path):
        raise KeyError("missing")

    def refuse_without_a_word(path):
        raise ValueError

    sound = mutated_kinds.KINDS["config"]
    for open_it in (fail, refuse_without_a_word):
        kind = sound._replace(open=open_it)
        assert mutate_files.judge(kind, tmp_path).startswith("wrong: ")


def test_a_change_is_a_change():
    rng = random.Random(0)
    document = {"a": [1, {"b": "text"}], "c": None}
    crafted = {json.dumps(mutations.craft(document, rng)) for _ in range(100)}
    assert len(crafted) > 20
    damaged = {mutations.damage(b"content of a file", rng) for _ in range(100)}
    assert len(damaged) > 50
