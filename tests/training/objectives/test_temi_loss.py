"""The TEMI loss against a slow reference, over several steps."""

import math

import pytest
import torch

from sklearn_scan.training.objectives import Objective, TemiLoss

N_HEADS, N_PAIRS, N_CLUSTERS = 3, 5, 4
NO_TARGETS = torch.empty(0, dtype=torch.int64)


def random_outputs(seed):
    """Return logits of student and teacher, for anchors and partners."""
    generator = torch.Generator().manual_seed(seed)
    shape = (N_HEADS, 4 * N_PAIRS, N_CLUSTERS)
    outputs = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return outputs.chunk(4, dim=1)


def step(objective, outputs):
    """Take a step as the loop does; return the terms and the gradient."""
    objective.prepare(outputs, NO_TARGETS)
    terms, gradient = objective.gradient(outputs, NO_TARGETS)
    objective.remember(outputs, NO_TARGETS)
    return terms, gradient


def softmax(row):
    exponentials = [math.exp(logit) for logit in row]
    return [e / sum(exponentials) for e in exponentials]


def split(outputs):
    """Return student and teacher probabilities, by head, role and pair, as lists."""
    quarters = [
        [[softmax(row) for row in rows.tolist()] for rows in head]
        for head in zip(*outputs, strict=True)
    ]
    return [head[:2] for head in quarters], [head[2:] for head in quarters]


def slow_weight(teachers, pair):
    """Return the mean over heads of the chance that a pair shares its cluster."""
    total = 0.0
    for anchors, partners in teachers:
        for a, p in zip(anchors[pair], partners[pair], strict=True):
            total += a * p
    return total / len(teachers)


def slow_marginal(marginal, teacher):
    """Return one head's marginal, moved towards the mean of both views."""
    moved = []
    for cluster, old in enumerate(marginal):
        values = [row[cluster] for view in teacher for row in view]
        moved.append(0.9 * old + 0.1 * sum(values) / len(values))
    return moved


def slow_loss(student, teacher, marginal, weights, beta):
    """Return the loss of one head."""
    total = 0.0
    for pair in range(N_PAIRS):
        for own, other in ((0, 1), (1, 0)):
            inner = 0.0
            for cluster in range(N_CLUSTERS):
                both = student[own][pair][cluster] * teacher[other][pair][cluster]
                inner += both**beta / marginal[cluster]
            total += weights[pair] * math.log(inner)
    return -0.5 * total / N_PAIRS


@pytest.mark.parametrize("beta", [0.6, 1.0])
def test_losses_of_several_steps(beta):
    objective = TemiLoss(N_HEADS, N_CLUSTERS, beta).double()
    marginals = [[1 / N_CLUSTERS] * N_CLUSTERS for _ in range(N_HEADS)]
    for seed in range(4):
        outputs = random_outputs(seed)
        terms, _ = step(objective, outputs)
        students, teachers = split(outputs)
        weights = [slow_weight(teachers, pair) for pair in range(N_PAIRS)]
        marginals = [
            slow_marginal(*head) for head in zip(marginals, teachers, strict=True)
        ]
        expected = [
            slow_loss(*head, weights, beta)
            for head in zip(students, teachers, marginals, strict=True)
        ]
        assert terms["information"].tolist() == pytest.approx(expected)
        assert objective.marginal.tolist() == [pytest.approx(m) for m in marginals]


def test_closed_form_is_the_gradient_of_the_students_loss():
    objective = TemiLoss(N_HEADS, N_CLUSTERS).double()
    outputs = random_outputs(0)
    terms, gradient = step(objective, outputs)
    slow_terms, slow_gradient = Objective.gradient(objective, outputs, NO_TARGETS)
    torch.testing.assert_close(gradient[:2], slow_gradient[:2])
    assert gradient[2:] == (None, None)  # what is learnt from gets no gradient
    torch.testing.assert_close(terms, slow_terms)


def test_losses_leave_the_marginals_as_they_are():
    objective = TemiLoss(N_HEADS, N_CLUSTERS).double()
    objective.losses(random_outputs(0), NO_TARGETS)
    assert (objective.marginal == 1 / N_CLUSTERS).all()


def test_a_spread_agreement_is_best():
    """One cluster for all costs what the spread gains."""
    spread = 100 * torch.eye(4).double()[None]
    merged = spread[:, [0, 0, 0, 0]]
    losses = []
    for logits in (spread, merged):
        objective = TemiLoss(1, 4, beta=1.0).double()
        for _ in range(200):  # until the marginals are those of the batch
            terms, _ = step(objective, (logits,) * 4)
        losses.append(terms["information"].item())
    assert losses == pytest.approx([-math.log(4), 0], abs=1e-6)


def test_numbers_stay_finite_where_probabilities_underflow():
    rows = 1000 * torch.eye(4)[None, [1, 1]]  # all clusters but one die out
    objective = TemiLoss(1, 4)
    for _ in range(2000):
        terms, gradient = step(objective, (rows,) * 4)
    assert objective.marginal[0, 0] < 1e-38
    assert terms["information"].isfinite().all()
    assert all(part.isfinite().all() for part in gradient[:2])
