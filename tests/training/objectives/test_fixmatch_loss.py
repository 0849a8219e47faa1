"""FixMatch's loss against a slow reference, and what it learns from."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from sklearn_scan.training.objectives import FixMatchLoss

LABELS = torch.tensor([2, 0, 3, 1, 1, 0, 2, 2, 3, 0])
TARGETS = torch.tensor([4, 0, 8, 1, 2, 3, 5, 6, 7, 9])  # the first three are labelled


def random_outputs(seed=0, n_heads=2):
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        2 * torch.randn(n_heads, n, 4, generator=generator, dtype=torch.float64)
        for n in (3, 7, 7)
    )


def softmax(row):
    exponentials = [math.exp(logit) for logit in row]
    return [e / sum(exponentials) for e in exponentials]


def slow(labeled, weak, strong, labels, threshold):
    """Return the two terms of one head, from lists of rows of logits."""
    supervised = [
        -math.log(softmax(row)[label])
        for row, label in zip(labeled, labels, strict=True)
    ]
    losses_of = {}
    for weak_row, strong_row in zip(weak, strong, strict=True):
        p = softmax(weak_row)
        guess = p.index(max(p))
        if p[guess] > threshold:
            loss = -math.log(softmax(strong_row)[guess])
            losses_of.setdefault(guess, []).append(loss)
    means = [sum(losses) / len(losses) for losses in losses_of.values()]
    balanced = sum(means) / len(means) if means else 0.0
    n_confident = sum(map(len, losses_of.values()))
    return sum(supervised) / len(supervised), balanced * n_confident / len(weak)


@pytest.mark.parametrize("n_heads", [1, 3])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.9, 0.9999])
def test_it_equals_the_slow_reference(n_heads, threshold):
    outputs = random_outputs(n_heads=n_heads)
    terms = FixMatchLoss(LABELS, threshold).losses(outputs, TARGETS)
    labels = LABELS[TARGETS[:3]].tolist()
    heads = zip(*(part.tolist() for part in outputs), strict=True)
    expected = torch.tensor([slow(*head, labels, threshold) for head in heads])
    torch.testing.assert_close(
        torch.stack([terms["labeled"], terms["unlabeled"]], dim=1).float(), expected
    )


def test_gradients_are_those_of_finite_differences():
    labeled, weak, strong = random_outputs()
    loss = FixMatchLoss(LABELS, 0.5)

    def terms(labeled, strong):
        return tuple(loss.losses((labeled, weak, strong), TARGETS).values())

    assert gradcheck(terms, (labeled.requires_grad_(), strong.requires_grad_()))


def test_weak_views_do_not_learn():
    outputs = random_outputs()
    terms, gradient = FixMatchLoss(LABELS, 0.5).gradient(outputs, TARGETS)
    assert (terms["unlabeled"] > 0).all()
    assert [of_part is None for of_part in gradient] == [False, True, False]


def test_without_a_confident_view_only_labels_teach():
    labeled, weak, strong = random_outputs()
    loss = FixMatchLoss(LABELS, 0.9)
    terms, gradient = loss.gradient((labeled, 0 * weak, strong), TARGETS)
    assert terms["unlabeled"].tolist() == [0, 0]
    assert gradient[2].count_nonzero() == 0
    assert (gradient[0] != 0).any()


def test_each_cluster_weighs_the_same():
    # three views sure of cluster 0, one of cluster 1, and two of none
    weak = 20 * torch.eye(4)[[0, 0, 0, 1, 0, 0]][None]
    weak[0, 4:] = 0
    outputs = torch.zeros(1, 1, 4), weak, torch.zeros(1, 6, 4)
    _, gradient = FixMatchLoss(LABELS, 0.9).gradient(outputs, torch.arange(7))
    weights = gradient[2][0].norm(dim=1) / (torch.eye(4)[0] - 1 / 4).norm()
    expected = 4 / 6 * torch.tensor([1 / 6, 1 / 6, 1 / 6, 1 / 2, 0, 0])
    torch.testing.assert_close(weights, expected)


def test_nothing_is_read_off_the_device():
    # A meta tensor has no numbers: to ask for one raises.
    loss = FixMatchLoss(LABELS).to("meta")
    outputs = tuple(part.float().to("meta") for part in random_outputs())
    terms, _ = loss.gradient(outputs, TARGETS.to("meta"))
    assert {name: term.shape for name, term in terms.items()} == {
        "labeled": (2,),
        "unlabeled": (2,),
    }
