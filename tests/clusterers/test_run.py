"""A run: seeds by name, the clock and the stages."""

import time

import numpy as np
import pytest
import torch

from sklearn_scan.clusterers import Found, Material, Run, Stage
from sklearn_scan.clusterers.stages import run_stages
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.training.heads import ClusterHeads

FEATURES = torch.zeros(4, 2)


class Note(Stage):
    """A stage that notes what it was given, and draws from the global state."""

    def __init__(self, name, notes):
        self.name = name
        self.notes = notes

    def run(self, _material, found, run):
        self.notes.append((self.name, found, run.seed(self.name), torch.rand(3)))
        time.sleep(0.01)
        head = ClusterHeads(2, 3, 1, generator=torch.Generator())
        return Found.best_of(head, torch.zeros(1), torch.zeros(1), FEATURES)


@pytest.fixture
def material():
    return Material(FeatureTrunk(FEATURES), None, 3)


def test_seeds_are_by_name_and_by_random_state():
    names = ["encode", "cluster", "self_label"]
    first, again, other = (Run(state) for state in (0, 0, 1))
    assert [first.seed(n) for n in names] == [again.seed(n) for n in names]
    assert [first.seed(n) for n in names] != [other.seed(n) for n in names]
    assert len({first.seed(n) for n in names}) == 3
    state = np.random.RandomState(0)
    assert Run(state).seed("cluster") == first.seed("cluster")
    assert Run(state).seed("cluster") != first.seed("cluster")


def test_parts_are_timed_and_kept():
    run = Run()
    assert run.keep("mine", lambda: time.sleep(0.02) or "a graph") == "a graph"
    assert run.times["mine"] >= 0.02


def test_stages_follow_each_other(material):
    run, notes = Run(0), []
    found = run_stages(
        [Note(n, notes) for n in ("cluster", "cluster", "x")], material, run
    )
    assert [note[0] for note in notes] == ["cluster", "cluster", "x"]
    assert notes[0][1] is None
    assert notes[1][1] is not None
    assert found is not notes[2][1]
    assert run.times["cluster"] >= 0.02 > 0.01 <= run.times["x"]


def test_the_global_state_is_seeded_in_stages_and_left_alone(material):
    draws = []
    for state in (0, 0, 1):
        before = torch.get_rng_state()
        run_stages([Note("cluster", draws)], material, Run(state))
        assert torch.equal(torch.get_rng_state(), before)
    first, again, other = (note[3] for note in draws)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
