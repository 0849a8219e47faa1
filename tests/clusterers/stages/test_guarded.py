"""A stage that is undone where labels then tell less of the neighbours' labels."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_scan.clusterers import Found, Guarded, Material, Run, Stage
from sklearn_scan.clusterers.trunks import FeatureTrunk
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.training.heads import ClusterHeads

# Four groups on a line; the neighbours of a sample are in its group.
FEATURES = (
    torch.linspace(-0.1, 0.1, 10).repeat(4)[:, None]
    + torch.arange(4).repeat_interleave(10)[:, None]
)
ANGLES = torch.cat([FEATURES.cos(), FEATURES.sin()], dim=1)
GRAPH = mine_neighbors(ANGLES, 5)


def thresholds(*borders):
    """Return a head whose clusters end at these borders."""
    slopes = torch.arange(len(borders) + 1.0)
    bias = -torch.cat([torch.zeros(1), torch.tensor(borders).cumsum(0)])
    return ClusterHeads.from_weights(50 * slopes[None, :, None], 50 * bias[None])


def found(head):
    one = torch.zeros(1)
    return Found.best_of(head, one, one, FEATURES)


class Change(Stage):
    """A stage that ends with another head, and changes the trunk."""

    name = "cluster"

    def __init__(self, head):
        self.head = head

    def run(self, material, _found, _run):
        with torch.no_grad():
            material.trunk.body.weight.fill_(7)
        return found(self.head)


@pytest.fixture
def material():
    trunk = FeatureTrunk(FEATURES)
    trunk.body = nn.Linear(1, 1, bias=False)
    nn.init.ones_(trunk.body.weight)
    return Material(trunk, GRAPH, 4)


BEFORE = thresholds(0.5, 1.5, 2.5)
MERGED = thresholds(1.5)


def run(guarded, material, before):
    return guarded.run(material, before, Run())


def test_what_does_no_harm_is_kept(material):
    better = thresholds(0.45, 1.5, 2.5)
    after = run(Guarded(Change(better), 0.01), material, found(BEFORE))
    assert torch.equal(after.head.bias, better.bias)
    assert material.trunk.body.weight == 7


def test_what_does_harm_is_undone(material):
    before = found(BEFORE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = run(Guarded(Change(MERGED), 0.1), material, before)
    assert after is before
    assert material.trunk.body.weight == 1


def test_how_much_may_be_lost_is_a_parameter(material):
    # two clusters of four tell half as much
    after = run(Guarded(Change(MERGED), 0.6), material, found(BEFORE))
    assert after.head.n_clusters == 2


def test_by_default_as_much_as_neighbours_are_apart_before(material):
    nudged = thresholds(0.05, 1.5, 2.5)  # cuts a group of the four
    before = found(BEFORE)
    assert run(Guarded(Change(nudged)), material, before) is before
    # the same, where four neighbours of five are in any cluster
    indices = GRAPH.indices.copy()
    indices[:, 1:] = np.random.default_rng(0).integers(40, size=(40, 4))
    noisy = Material(material.trunk, replace(GRAPH, indices=indices), 4)
    after = run(Guarded(Change(nudged)), noisy, before)
    assert torch.equal(after.head.bias, nudged.bias)


def test_it_may_warn(material):
    guarded = Guarded(Change(MERGED), 0.1, warning="It was undone.")
    with pytest.warns(ConvergenceWarning, match=r"^It was undone\.$"):
        run(guarded, material, found(BEFORE))


@pytest.mark.parametrize("missing", ["graph", "found"])
def test_without_anything_to_compare_with_all_is_kept(missing, material):
    before = None if missing == "found" else found(BEFORE)
    if missing == "graph":
        material = Material(material.trunk, None, 4)
    after = run(Guarded(Change(MERGED), 0.0), material, before)
    assert after.head.n_clusters == 2


def test_it_has_the_name_of_its_stage():
    assert Guarded(Change(MERGED), 0.1).name == "cluster"
