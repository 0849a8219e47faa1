"""MoCo's loss against a slow reference, and what its queue remembers."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from sklearn_scan.training.objectives import QueueLoss

NO_TARGETS = torch.empty(0, dtype=torch.int64)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make_loss(queue_size=7, temperature=0.2, n_outputs=4):
    return QueueLoss(n_outputs, queue_size, temperature, generator=generator())


def random_outputs(n_samples, seed=0, n_heads=1, n_outputs=4):
    """Return the outputs of anchors and of partners."""
    shape = (n_heads, 2 * n_samples, n_outputs)
    both = 3 * torch.randn(shape, generator=generator(seed), dtype=torch.float64)
    return both.chunk(2, dim=1)


def step(loss, outputs):
    """Take a step as the loop does; return the terms and the gradient."""
    loss.prepare(outputs, NO_TARGETS)
    terms, gradient = loss.gradient(outputs, NO_TARGETS)
    loss.remember(outputs, NO_TARGETS)
    return terms, gradient


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.hypot(*a) / math.hypot(*b)


def slow_queue_loss(anchors, partners, queue, temperature):
    """Equation 1 of He et al., image by image."""
    losses = []
    for anchor, partner in zip(anchors, partners, strict=True):
        positive = math.exp(cosine(anchor, partner) / temperature)
        negatives = [math.exp(cosine(anchor, past) / temperature) for past in queue]
        losses.append(-math.log(positive / (positive + sum(negatives))))
    return sum(losses) / len(losses)


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("n_heads", [1, 3])
@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_it_equals_the_slow_reference(n_heads, temperature):
    loss = make_loss(temperature=temperature).double()
    anchors, partners = random_outputs(5, n_heads=n_heads)
    expected = [
        slow_queue_loss(*heads, loss.queue.tolist(), temperature)
        for heads in zip(anchors.tolist(), partners.tolist(), strict=True)
    ]
    terms = loss(anchors, partners)
    assert list(terms) == ["contrastive"]
    torch.testing.assert_close(terms["contrastive"], torch.tensor(expected).double())


def test_gradients_are_those_of_finite_differences():
    loss = make_loss().double()
    anchors, partners = (part.clone().requires_grad_() for part in random_outputs(3))
    assert gradcheck(lambda *pair: tuple(loss(*pair).values()), (anchors, partners))


def test_extreme_outputs_stay_finite():
    loss = make_loss(temperature=0.01)
    outputs = tuple(1e4 * part.sign().float() for part in random_outputs(5))
    outputs[0][0, 0] = 0
    terms, gradient = step(loss, outputs)
    assert torch.isfinite(terms["contrastive"]).all()
    assert all(torch.isfinite(part).all() for part in gradient)
    assert torch.isfinite(loss.queue).all()


def test_the_queue_starts_from_unit_vectors_of_the_generator():
    first, again = make_loss(), make_loss()
    assert torch.equal(first.queue, again.queue)
    torch.testing.assert_close(first.queue.norm(dim=1), torch.ones(7))
    other = QueueLoss(4, 7, generator=generator(1))
    assert not torch.equal(first.queue, other.queue)


def test_a_step_compares_with_the_past_only():
    """The partners of a batch repel nobody before the next one."""
    loss = make_loss().double()
    before = loss.queue.tolist()
    outputs = random_outputs(3)
    terms, _ = step(loss, outputs)
    (anchors,), (partners,) = outputs
    expected = slow_queue_loss(anchors.tolist(), partners.tolist(), before, 0.2)
    assert terms["contrastive"].item() == pytest.approx(expected)
    again, _ = step(loss, outputs)
    after = before
    after[:3] = unit(partners).tolist()
    expected = slow_queue_loss(anchors.tolist(), partners.tolist(), after, 0.2)
    assert again["contrastive"].item() == pytest.approx(expected)


@pytest.mark.parametrize("queue_size", [1, 2, 3, 5, 7, 12])
def test_the_oldest_make_room(queue_size):
    loss = make_loss(queue_size).double()
    remembered = loss.queue.tolist()
    for seed, n_samples in enumerate([3, 3, 2, 3, 1, 3]):
        outputs = random_outputs(n_samples, seed)
        step(loss, outputs)
        new = unit(outputs[1][0]).tolist()[:queue_size]
        remembered = remembered[len(new) :] + new  # the oldest first
        torch.testing.assert_close(
            torch.tensor(sorted(loss.queue.tolist())), torch.tensor(sorted(remembered))
        )


def test_a_batch_larger_than_the_queue_fills_it_with_its_first_partners():
    loss = make_loss(queue_size=2).double()
    outputs = random_outputs(5)
    step(loss, outputs)
    expected = unit(outputs[1][0])[:2]
    torch.testing.assert_close(loss.queue, expected)


def test_evaluation_leaves_the_queue_alone():
    loss = make_loss().double()
    before = loss.queue.clone()
    loss.losses(random_outputs(3), NO_TARGETS)
    assert torch.equal(loss.queue, before)
    assert not loss.queue.requires_grad
