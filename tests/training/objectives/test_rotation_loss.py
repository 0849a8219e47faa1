"""RotNet's loss against a slow reference."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from sklearn_scan.training.objectives import RotationLoss

ROWS = torch.arange(3)


def random_outputs(n_images=3, n_heads=2, n_turns=4):
    """Return the outputs of images turned 0 times, once, twice, ..."""
    generator = torch.Generator().manual_seed(0)
    shape = (n_heads, n_turns * n_images, n_turns)
    outputs = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return outputs.chunk(n_turns, dim=1)


def slow_rotation(rows, n_images):
    """Equation 3 of Gidaris et al.: the images turned 0 times, once, twice, ..."""
    total = 0.0
    for place, row in enumerate(rows):
        n_turns = place // n_images
        total -= math.log(
            math.exp(row[n_turns]) / sum(math.exp(logit) for logit in row)
        )
    return total / len(rows)


@pytest.mark.parametrize("n_images", [1, 3])
@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize("n_turns", [2, 4])
def test_it_equals_the_slow_reference(n_images, n_heads, n_turns):
    outputs = random_outputs(n_images, n_heads, n_turns)
    heads = torch.cat(outputs, dim=1).tolist()
    expected = [slow_rotation(rows, n_images) for rows in heads]
    terms = RotationLoss().losses(outputs, torch.arange(n_images))
    assert list(terms) == ["rotation"]
    assert terms["rotation"].tolist() == pytest.approx(expected)


def test_right_answers_cost_nothing_and_ignorance_two_bits():
    right = (100 * torch.eye(4).repeat_interleave(3, dim=0)[None]).chunk(4, dim=1)
    assert RotationLoss().losses(right, ROWS)["rotation"].item() == pytest.approx(0)
    ignorant = (torch.zeros(1, 3, 4),) * 4
    cost = RotationLoss().losses(ignorant, ROWS)["rotation"].item()
    assert cost == pytest.approx(math.log(4))


def test_gradients_are_those_of_finite_differences():
    outputs = tuple(part.clone().requires_grad_() for part in random_outputs())
    loss = RotationLoss()
    assert gradcheck(lambda *o: tuple(loss.losses(o, ROWS).values()), outputs)
    _, gradient = loss.gradient(outputs, ROWS)
    expected = torch.autograd.grad(
        loss.losses(outputs, ROWS)["rotation"].sum(), outputs
    )
    torch.testing.assert_close(gradient, expected)


def test_extreme_outputs_stay_finite():
    outputs = tuple(1e4 * part.sign().float() for part in random_outputs())
    terms, gradient = RotationLoss().gradient(outputs, ROWS)
    assert torch.isfinite(terms["rotation"]).all()
    assert all(torch.isfinite(part).all() for part in gradient)
