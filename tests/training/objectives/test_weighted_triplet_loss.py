"""JULE's triplet loss against a slow reference."""

import pytest
import torch

from sklearn_scan.training.objectives import WeightedTripletLoss

N_HEADS, N_PAIRS, N_OUTPUTS = 2, 6, 3
ROWS = torch.tensor([5, 0, 3, 1, 4, 2])  # of the batch, among nine samples


def random_outputs(seed=0):
    """Return rows of length one for anchors and positives."""
    generator = torch.Generator().manual_seed(seed)
    shape = (N_HEADS, 2 * N_PAIRS, N_OUTPUTS)
    rows = torch.randn(shape, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=2).chunk(2, dim=1)


def distance(first, second):
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


def slow_loss(anchors, positives, clusters, margin, gamma):
    """Return the loss of one head."""
    of_anchors = []
    for anchor, positive, cluster in zip(anchors, positives, clusters, strict=True):
        near = gamma * distance(anchor, positive)
        triplets = [
            max(0.0, near - distance(anchor, other) + margin)
            for others in (anchors, positives)
            for other, of_other in zip(others, clusters, strict=True)
            if of_other != cluster
        ]
        of_anchors.append(sum(triplets) / max(1, len(triplets)))
    return sum(of_anchors) / len(of_anchors)


@pytest.mark.parametrize("gamma", [1.0, 0.5])
@pytest.mark.parametrize("margin", [0.2, 1.5])
@pytest.mark.parametrize(
    "labels",
    [[0, 1, 2, 0, 1, 1, 7, 7, 7], [3] * 9, list(range(9)), [0] * 5 + [1] * 4],
    ids=["several", "one cluster", "all alone", "one apart"],
)
def test_losses(labels, margin, gamma):
    objective = WeightedTripletLoss(torch.tensor(labels), margin=margin, gamma=gamma)
    anchors, positives = random_outputs()
    (losses,) = objective.losses((anchors, positives), ROWS).values()
    clusters = [labels[row] for row in ROWS]
    expected = [
        slow_loss(*head, clusters, margin, gamma)
        for head in zip(anchors.tolist(), positives.tolist(), strict=True)
    ]
    assert losses.tolist() == pytest.approx(expected)


def test_the_gradient_is_that_of_finite_differences():
    objective = WeightedTripletLoss(torch.arange(9) % 3, margin=3.0)
    outputs = random_outputs()
    leaves = [part.clone().requires_grad_() for part in outputs]
    assert torch.autograd.gradcheck(
        lambda *parts: objective.losses(parts, ROWS)["triplet"], leaves
    )
    terms, gradient = objective.gradient(outputs, ROWS)
    objective.losses(leaves, ROWS)["triplet"].sum().backward()
    torch.testing.assert_close(gradient, tuple(leaf.grad for leaf in leaves))
    assert not terms["triplet"].requires_grad


def test_a_step_brings_clusters_apart():
    objective = WeightedTripletLoss(torch.arange(9) % 2)
    outputs = random_outputs()
    before, gradient = objective.gradient(outputs, ROWS)
    moved = tuple(x - 0.1 * g for x, g in zip(outputs, gradient, strict=True))
    after = objective.losses(moved, ROWS)["triplet"]
    assert (after < before["triplet"]).all()


def test_one_cluster_teaches_nothing():
    objective = WeightedTripletLoss(torch.zeros(9, dtype=torch.int64))
    terms, gradient = objective.gradient(random_outputs(), ROWS)
    assert terms["triplet"].tolist() == [0] * N_HEADS
    assert not any(part.any() for part in gradient)


def test_labels_may_be_replaced():
    objective = WeightedTripletLoss(torch.zeros(9, dtype=torch.int64))
    merged = torch.arange(9) % 4
    objective.labels.copy_(merged)
    outputs = random_outputs()
    expected = WeightedTripletLoss(merged).losses(outputs, ROWS)
    torch.testing.assert_close(objective.losses(outputs, ROWS), expected)


def test_labels_are_kept_with_its_state():
    labels = torch.arange(9)
    restored = WeightedTripletLoss(torch.zeros_like(labels))
    restored.load_state_dict(WeightedTripletLoss(labels).state_dict())
    assert torch.equal(restored.labels, labels)
