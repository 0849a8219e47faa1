"""Noise-contrastive estimation, against the equations of Wu et al. (2018)."""

import math

import pytest
import torch

from sklearn_scan.training.objectives import MemoryBankLoss

N_SAMPLES, N_NEGATIVES, N_OUTPUTS = 11, 6, 4


def make_loss(temperature=0.1, momentum=0.5, n_negatives=N_NEGATIVES, seed=0):
    return MemoryBankLoss(
        N_SAMPLES,
        N_OUTPUTS,
        n_negatives=n_negatives,
        temperature=temperature,
        momentum=momentum,
        generator=torch.Generator().manual_seed(seed),
    ).double()


def random_batch(rows, seed=0, n_heads=1):
    generator = torch.Generator().manual_seed(seed)
    shape = (n_heads, len(rows), N_OUTPUTS)
    outputs = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return outputs, torch.tensor(rows)


def step(loss, outputs, targets):
    """Take a step as the loop does; return the terms and the gradient."""
    loss.prepare((outputs,), targets)
    terms, (gradient,) = loss.gradient((outputs,), targets)
    loss.remember((outputs,), targets)
    return terms, gradient


def next_noise(loss):
    """Return the places that the loss is about to draw."""
    twin = loss.generator.clone_state()
    return torch.randint(N_SAMPLES, (loss.n_negatives,), generator=twin).tolist()


def unit(vector):
    length = math.hypot(*vector)
    return [x / length for x in vector]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def slow_normalizer(views, bank, noise, temperature):
    """Z = n / m sum_j exp(v . f_j / tau), over all views of a batch."""
    total = 0.0
    for view in views:
        for j in noise:
            total += math.exp(dot(unit(view), bank[j]) / temperature)
    return len(bank) * total / len(views) / len(noise)


def slow_terms(views, targets, bank, noise, temperature, normalizer):
    """Equations 4, 6 and 7: the two sums of J_NCE, a view's mean of each."""

    def posterior(view, i):  # h(i, v), equation 6
        p = math.exp(dot(view, bank[i]) / temperature) / normalizer
        return p / (p + len(noise) / len(bank))

    image = noise_term = 0.0
    for view, target in zip(map(unit, views), targets, strict=True):
        image -= math.log(posterior(view, target))
        for j in noise:
            noise_term -= math.log(1 - posterior(view, j))
    return image / len(views), noise_term / len(views)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("n_negatives", [1, N_NEGATIVES, 30])
def test_it_equals_the_slow_reference(temperature, n_negatives):
    loss = make_loss(temperature, n_negatives=n_negatives)
    bank, noise = loss.bank.tolist(), next_noise(loss)
    outputs, targets = random_batch([3, 0, 7, 10])
    views = outputs[0].tolist()
    normalizer = slow_normalizer(views, bank, noise, temperature)
    terms, _ = step(loss, outputs, targets)
    image, of_noise = slow_terms(
        views, targets.tolist(), bank, noise, temperature, normalizer
    )
    assert terms["image"].tolist() == pytest.approx([image])
    assert terms["noise"].tolist() == pytest.approx([of_noise])


def test_the_constant_is_that_of_each_batch():
    loss = make_loss()
    for seed in range(3):
        bank, noise = loss.bank.tolist(), next_noise(loss)
        outputs, targets = random_batch([1, 2, 8, 9], seed)
        views = outputs[0].tolist()
        normalizer = slow_normalizer(views, bank, noise, 0.1)
        terms, _ = step(loss, outputs, targets)
        expected = slow_terms(views, targets.tolist(), bank, noise, 0.1, normalizer)
        got = terms["image"].item(), terms["noise"].item()
        assert got == pytest.approx(expected)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_places_of_the_images_seen_move_and_others_stay(momentum):
    loss = make_loss(momentum=momentum)
    before = loss.bank.tolist()
    outputs, targets = random_batch([3, 0, 7, 10])
    step(loss, outputs, targets)
    expected = [list(place) for place in before]
    for view, target in zip(outputs[0].tolist(), targets.tolist(), strict=True):
        mixed = [
            momentum * old + (1 - momentum) * new
            for old, new in zip(before[target], unit(view), strict=True)
        ]
        expected[target] = unit(mixed)
    torch.testing.assert_close(loss.bank, torch.tensor(expected).double())
    assert loss.bank[1].tolist() == before[1]


def test_a_step_compares_with_the_places_before_it():
    """Else each view would be compared with itself."""
    loss = make_loss(momentum=0.0)
    outputs, targets = random_batch([3, 0, 7])
    first, _ = step(loss, outputs, targets)
    again, _ = step(loss, outputs, targets)
    assert again["image"] < first["image"]


def test_the_gradient_takes_the_normalizer_as_a_constant():
    loss = make_loss(temperature=0.5)
    outputs, targets = random_batch([3, 0, 7])
    bank, noise = loss.bank.clone(), next_noise(loss)
    normalizer = slow_normalizer(outputs[0].tolist(), bank.tolist(), noise, 0.5)
    _, gradient = step(loss, outputs, targets)

    outputs.requires_grad_()
    views = outputs[0] / outputs[0].norm(dim=1, keepdim=True)
    p = (views @ bank.T / 0.5).exp() / normalizer  # (b, n)
    h = p / (p + N_NEGATIVES / N_SAMPLES)
    image = -h[torch.arange(3), targets].log().mean()
    of_noise = -(1 - h[:, noise]).log().sum(dim=1).mean()
    (expected,) = torch.autograd.grad(image + of_noise, outputs)
    torch.testing.assert_close(gradient, expected)


def test_the_bank_and_the_noise_are_the_generators():
    first, again, other = make_loss(), make_loss(), make_loss(seed=1)
    assert torch.equal(first.bank, again.bank)
    assert not torch.equal(first.bank, other.bank)
    ones = torch.ones(N_SAMPLES).double()
    torch.testing.assert_close(first.bank.norm(dim=1), ones)
    outputs, targets = random_batch([3, 0, 7])
    noise = [loss.losses((outputs,), targets)["noise"] for loss in (first, again)]
    assert torch.equal(*noise)
    assert not torch.equal(first.losses((outputs,), targets)["noise"], noise[0])


def test_evaluation_leaves_the_bank_alone():
    loss = make_loss()
    before = loss.bank.clone()
    outputs, targets = random_batch([3, 0, 7])
    loss.losses((outputs,), targets)
    assert torch.equal(loss.bank, before)


def test_extreme_outputs_stay_finite():
    loss = make_loss(temperature=0.01).float()
    outputs, targets = random_batch([3, 0, 7])
    outputs = 1e4 * outputs.sign().float()
    outputs[0, 0] = 0
    terms, gradient = step(loss, outputs, targets)
    assert all(torch.isfinite(term).all() for term in terms.values())
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(loss.bank).all()
