"""Batches: what a pass holds, in which order, seen how."""

import math

import pytest
import torch
from torch import nn
from training_helpers import (
    N_SAMPLES,
    generator,
    numbered_labeled,
    numbered_pairs,
    numbered_singles,
)

from sklearn_scan.training.batches import MultiView


def one_pass(pairs):
    """Return the anchors and the partners of a pass, in the order they came."""
    halves = [batch.views[:, 0].chunk(2) for batch in pairs]
    return (torch.cat(half) for half in zip(*halves, strict=True))


SOURCES = [numbered_singles, numbered_pairs]


def test_a_pass_of_pairs_holds_every_sample_once():
    pairs = numbered_pairs()
    for _ in range(3):
        anchors, partners = one_pass(pairs)
        assert sorted(anchors.tolist()) == list(range(N_SAMPLES))
        assert torch.equal(partners, anchors)


def test_a_pass_of_single_views_holds_every_sample_once():
    singles = numbered_singles()
    for _ in range(3):
        views = torch.cat([batch.views for batch in singles])
        assert sorted(views[:, 0].tolist()) == list(range(N_SAMPLES))


@pytest.mark.parametrize("source", SOURCES)
def test_each_pass_is_shuffled_anew(source):
    batches = source()
    first, second = (torch.cat([batch.targets for batch in batches]) for _ in "ab")
    assert not torch.equal(first, torch.arange(N_SAMPLES))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("n_samples", [1, 4, 10, 11, 14, 29, 100])
@pytest.mark.parametrize("batch_size", [1, 4, 10, 1000])
@pytest.mark.parametrize("source", SOURCES)
def test_batch_sizes_differ_by_at_most_one(source, n_samples, batch_size):
    batches = source(n_samples, batch_size)
    sizes = [len(batch.targets) for batch in batches]
    assert len(sizes) == len(batches)
    assert sum(sizes) == n_samples
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size
    # no more batches than that needs
    assert len(sizes) == math.ceil(n_samples / batch_size)


def test_fewer_samples_than_a_batch_are_one_batch():
    (batch,) = numbered_pairs(3, batch_size=100)
    assert len(batch.views) == 6
    (batch,) = numbered_singles(3, batch_size=100)
    assert len(batch.views) == 3


@pytest.mark.parametrize("source", SOURCES)
def test_targets_are_the_places_of_the_samples(source):
    for views, targets in source():
        assert targets.dtype == torch.int64
        assert torch.equal(views[: len(targets), 0], targets.float())


def test_a_single_view_may_make_several_of_a_sample():
    singles = numbered_singles(view=lambda x: torch.cat([x, -x]))
    for views, targets in singles:
        assert torch.equal(views[:, 0], torch.cat([targets, -targets]).float())


def test_partners_follow_a_draw_made_anew_each_pass():
    shifts = iter([1, 2])

    def draw_partners():
        return (torch.arange(N_SAMPLES) + next(shifts)) % N_SAMPLES

    pairs = numbered_pairs(draw_partners=draw_partners)
    for shift in (1, 2):
        anchors, partners = one_pass(pairs)
        assert torch.equal(partners, (anchors + shift) % N_SAMPLES)


@pytest.mark.parametrize(
    ("views", "of_anchors", "of_partners"),
    [
        ({"anchor_view": torch.neg}, -1, 1),
        ({"partner_view": torch.neg}, 1, -1),
        ({"anchor_view": lambda x: 3 * x, "partner_view": torch.neg}, 3, -1),
        ({"anchor_view": torch.neg, "partner_view": torch.neg}, -1, -1),
    ],
)
def test_views_are_applied_to_their_half(views, of_anchors, of_partners):
    plain, _ = one_pass(numbered_pairs())
    anchors, partners = one_pass(numbered_pairs(**views))
    assert torch.equal(anchors, of_anchors * plain)
    assert torch.equal(partners, of_partners * plain)


@pytest.mark.parametrize("source", SOURCES)
def test_one_seed_gives_the_same_batches(source):
    first, again = ([batch.views for batch in source(seed=1)] for _ in "ab")
    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], next(iter(source(seed=2))).views)


@pytest.mark.parametrize("source", SOURCES)
def test_a_state_brings_the_order_of_the_next_pass_back(source):
    batches, other = source(seed=1), source(seed=2)
    list(batches)
    other.load_state_dict(batches.state_dict())
    expected = [batch.targets for batch in batches]
    assert all(map(torch.equal, expected, [batch.targets for batch in other]))


# -- labelled samples and all ----------------------------------------------------------

LABELS = torch.full((N_SAMPLES,), -1)
LABELS[[3, 4, 5, 8, 9, 20]] = 0
LABELS[[0, 22]] = 1
LABELS[11] = 4


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_a_batch_holds_labelled_samples_and_two_views_of_all(batch_size):
    batches = numbered_labeled(
        LABELS,
        batch_size=batch_size,
        n_labeled=2,
        first_view=lambda x: x + 0.25,
        second_view=lambda x: x + 0.5,
    )
    for _ in range(3):
        seen = []
        for views, targets in batches:
            labeled, others = targets[:2], targets[2:]
            assert (LABELS[labeled] >= 0).all()
            first = torch.cat([labeled, others]) + 0.25
            assert torch.equal(views[:, 0], torch.cat([first, others + 0.5]))
            seen += others.tolist()
        assert sorted(seen) == list(range(N_SAMPLES))
        assert math.ceil(N_SAMPLES / batch_size) == len(batches)


def test_every_cluster_teaches_equally_often():
    batches = numbered_labeled(LABELS, batch_size=4, n_labeled=5)  # 30 a pass
    rows = []
    for _ in range(30):
        drawn = torch.cat([targets[:5] for _, targets in batches])
        assert LABELS[drawn].bincount().tolist() == [10, 10, 0, 0, 10]
        rows += drawn.tolist()
    counts = torch.tensor(rows).bincount(minlength=N_SAMPLES)
    assert (counts[LABELS < 0] == 0).all()
    of_large, of_small = counts[LABELS == 0], counts[LABELS == 1]
    assert of_large.min() > 30  # of 50, and a deviation of 6
    assert of_small.min() > 110  # of 150, and a deviation of 9
    assert counts[11] == 300


def test_clusters_take_turns_in_new_orders():
    orders = set()
    for _, targets in numbered_labeled(LABELS, n_labeled=3):
        turn = LABELS[targets[:3]].tolist()
        assert sorted(turn) == [0, 1, 4]
        orders.add(tuple(turn))
    assert len(orders) > 1


# -- the outputs of several views ------------------------------------------------------


class Counted(nn.Module):
    """A linear layer of three heads; counts its calls."""

    def __init__(self, is_batch_last):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 4, 5, generator=generator()))
        self.is_batch_last = is_batch_last
        self.n_calls = 0

    def forward(self, views):
        self.n_calls += 1
        outputs = views @ self.weight  # (h, b, 5)
        return outputs.mT.contiguous().mT if self.is_batch_last else outputs


@pytest.mark.parametrize("is_batch_last", [False, True])
@pytest.mark.parametrize("n_views", [1, 2, 4])
def test_a_network_sees_all_views_in_one_call(n_views, is_batch_last):
    network = Counted(is_batch_last)
    views = torch.randn(n_views, 6, 4, generator=generator(1))
    outputs = MultiView(network, n_views)(views.flatten(0, 1))
    assert network.n_calls == 1
    assert len(outputs) == n_views
    for view, part in zip(views, outputs, strict=True):
        torch.testing.assert_close(part, network(view))


def test_views_of_heads_are_split_where_the_batch_lies_in_memory():
    views = torch.zeros(12, 4)
    assert [part.stride(1) for part in MultiView(Counted(True))(views)] == [1, 1]
    assert [part.stride(2) for part in MultiView(Counted(False))(views)] == [1, 1]
