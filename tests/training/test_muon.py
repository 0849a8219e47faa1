"""Muon, against singular value decompositions and AdamW."""

import copy

import pytest
import torch
from torch import nn

from sklearn_scan.training.muon import Muon, orthogonalize


def brought_near_one(values):
    """Return singular values after the three polynomials of degree five."""
    values = values / values.norm()
    for _ in range(3):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return values


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4), (1, 5), (5, 1)])
def test_a_matrix_keeps_its_singular_vectors(shape):
    matrix = torch.randn(shape, dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    reference = left @ torch.diag(brought_near_one(values)) @ right
    torch.testing.assert_close(orthogonalize(matrix), reference)


def test_small_and_large_directions_become_alike():
    values = torch.tensor([1.0, 0.5, 0.2, 0.1])
    rotations = [torch.linalg.qr(torch.randn(4, 4))[0] for _ in range(2)]
    found = orthogonalize(rotations[0] @ torch.diag(values) @ rotations[1])
    spread = torch.linalg.svdvals(found)
    assert spread.max() < 1.3
    assert spread.min() > 0.6


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-17])
def test_next_to_nothing_stays_nothing(scale):
    assert orthogonalize(scale * torch.randn(32, 64)).abs().max() < 1e-4


def test_what_has_no_gradient_any_more_comes_to_rest():
    """With momentum that is always brought to one, it would move on for ever."""
    weight = nn.Parameter(torch.randn(8, 16))
    muon = Muon([weight], 0.1, weight_decay=0.0)
    for n_steps in range(2000):
        weight.grad = torch.randn(8, 16) if n_steps < 3 else torch.zeros(8, 16)
        before = weight.detach().clone()
        muon.step()
    torch.testing.assert_close(weight.detach(), before)


def step(optimizer, module, inputs, n_steps=3):
    for _ in range(n_steps):
        optimizer.zero_grad()
        (module(inputs) - 1).square().mean().backward()
        optimizer.step()


def test_biases_and_norms_learn_as_with_adamw():
    module = nn.BatchNorm1d(5)
    other, inputs = copy.deepcopy(module), torch.randn(20, 5)
    step(Muon(module.parameters(), 0.1, weight_decay=0.3), module, inputs)
    step(torch.optim.AdamW(other.parameters(), 0.1, weight_decay=0.3), other, inputs)
    torch.testing.assert_close(module.state_dict(), other.state_dict())


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_learns_as_the_matrix_of_its_outputs(memory):
    convolution = nn.Conv2d(3, 4, 2, bias=False).to(memory_format=memory)
    matrix = nn.Parameter(convolution.weight.detach().flatten(1).clone())
    optimizers = [
        Muon([weight], 0.1, weight_decay=0.5) for weight in (convolution.weight, matrix)
    ]
    for _ in range(3):
        gradient = torch.randn(4, 3, 2, 2)
        convolution.weight.grad = gradient.to(memory_format=memory)
        matrix.grad = gradient.flatten(1).clone()
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(convolution.weight.flatten(1), matrix)


def test_a_step_of_a_matrix_has_the_size_of_adamws():
    """Which is in training about a fifth of the rate, for each entry."""
    weight = nn.Parameter(torch.zeros(64, 256))
    weight.grad = torch.randn(64, 256)
    Muon([weight], 0.1, weight_decay=0.0).step()
    assert 0.1 * 0.1 < weight.square().mean().sqrt() < 0.3 * 0.1


def test_weight_decay_is_decoupled():
    weight = nn.Parameter(torch.ones(3, 3))
    weight.grad = torch.zeros(3, 3)
    Muon([weight], 0.1, weight_decay=0.5).step()
    torch.testing.assert_close(weight.detach(), torch.full((3, 3), 1 - 0.1 * 0.5))


def test_a_step_goes_down():
    torch.manual_seed(0)
    module, inputs = nn.Linear(8, 4), torch.randn(50, 8)
    before = (module(inputs) - 1).square().mean()
    step(Muon(module.parameters(), 0.01, weight_decay=0.0), module, inputs, 60)
    assert (module(inputs) - 1).square().mean() < 0.5 * before


def test_hooks_run_once_and_a_closure_comes_first():
    torch.optim.AdamW([nn.Parameter(torch.zeros(1))])
    layer, calls = nn.Linear(3, 2), []
    muon = Muon(layer.parameters(), 0.1, weight_decay=0.0)
    muon.register_step_post_hook(lambda *_: calls.append("hook"))

    def closure():
        calls.append("closure")
        loss = layer(torch.ones(4, 3)).square().mean()
        loss.backward()
        return loss

    assert muon.step(closure) > 0
    assert calls == ["closure", "hook"]


def test_parameters_of_any_shape_and_groups_of_their_own():
    token, scale = nn.Parameter(torch.zeros(1, 1, 6)), nn.Parameter(torch.ones(()))
    still = nn.Parameter(torch.ones(2, 2))
    groups = [{"params": [token, still]}, {"params": [scale], "weight_decay": 0.5}]
    muon = Muon(groups, 0.1, weight_decay=0.0)
    token.grad, scale.grad = torch.ones(1, 1, 6), torch.zeros(())
    muon.step()
    assert (token < 0).all()
    assert still.eq(1).all()  # it has no gradient
    assert scale.item() == pytest.approx(1 - 0.1 * 0.5)
