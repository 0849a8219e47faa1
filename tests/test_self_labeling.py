"""The second stage, with a head whose confidence is known."""

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan.heads import ClusterHeads
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.self_labeling import self_label

# Samples along a line: under `make_head` their logits differ by x. The neighbours of a
# sample are on its side of zero.
FEATURES = torch.linspace(-8, 8, 40)[:, None]
NEIGHBORS = mine_neighbors(FEATURES, 5)


def make_head(slope=1.0):
    head = ClusterHeads(1, n_clusters=2, n_heads=1, generator=torch.Generator())
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[slope], [0.0]]))
    return head


def clusters(head):
    return head(FEATURES)[0].argmax(dim=1)


def confidences(head):
    return head(FEATURES)[0].softmax(dim=1).amax(dim=1).detach()


def teach(head, **settings):
    defaults = {"n_epochs": 10, "batch_size": 10, "learning_rate": 0.05, "seed": 0}
    return self_label(head, FEATURES, NEIGHBORS, **(defaults | settings))


def test_confidence_rises_and_clusters_stay():
    head = make_head()
    taught = teach(head)
    assert taught.kept
    assert (confidences(taught.head) > confidences(head)).all()
    assert torch.equal(clusters(taught.head), clusters(head))
    assert taught.history[-1]["loss"] < taught.history[0]["loss"]
    assert {entry["stage"] for entry in taught.history} == {"self-labelling"}


def test_the_given_head_is_left_as_it_was():
    head = make_head()
    before = head.weight.clone()
    teach(head)
    assert torch.equal(head.weight, before)
    assert not head.bias.any()


def test_without_a_confident_sample_the_given_head_is_returned():
    head = make_head(slope=0.01)
    before = head.weight.clone()
    with pytest.warns(ConvergenceWarning, match=r"exceeds confidence_threshold=0\.99"):
        taught = teach(head)
    assert taught.head is head
    assert not taught.kept
    assert taught.history == []
    assert torch.equal(head.weight, before)


def test_warning_names_the_highest_confidence():
    head = make_head()
    highest = f"{confidences(head).max():.3f}"
    with pytest.warns(ConvergenceWarning, match=f"the highest is {highest}"):
        teach(head, confidence_threshold=0.9999)


def test_the_strong_view_is_taken_of_every_sample_each_epoch():
    seen = []

    def strong_view(samples):
        seen.append(samples)
        return samples

    teach(make_head(), strong_view=strong_view, n_epochs=2)
    samples = torch.cat(seen).sort(dim=0).values
    assert torch.equal(samples, FEATURES.repeat_interleave(2, dim=0))


def test_a_stage_that_parts_neighbors_is_undone():
    # Views moved along the line move the border between the clusters off its place.
    head = make_head()
    taught = teach(head, strong_view=lambda x: x + 6, n_epochs=40, learning_rate=0.3)
    assert not taught.kept
    assert taught.head is head
    assert len(taught.history) == 40


def test_one_seed_gives_the_same_head_to_the_bit():
    first, again, other = (teach(make_head(), seed=s).head.weight for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
