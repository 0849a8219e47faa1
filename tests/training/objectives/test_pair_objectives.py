"""Losses of pairs against slow references, and where the numbers become extreme."""

import math
import re

import pytest
import torch
from scipy.stats import entropy
from torch.autograd import gradcheck

from sklearn_scan.training.objectives import (
    ContrastiveLoss,
    Objective,
    PairObjective,
    ScanLoss,
    SelfLabelLoss,
)

PRIOR = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
NO_TARGETS = torch.empty(0, dtype=torch.int64)
LOSSES = [ScanLoss(), ScanLoss(prior=PRIOR), SelfLabelLoss(0.5), ContrastiveLoss()]
WEIGHTS = torch.tensor([5.0, 1.0, 0.0])
PRIORS = torch.stack([PRIOR, PRIOR.flip(0), torch.full_like(PRIOR, 0.25)])


def random_logits(seed, n_heads=3, n_samples=7, n_outputs=4):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, n_heads, n_samples, n_outputs)
    return 2 * torch.randn(shape, generator=generator, dtype=torch.float64)


def softmax(row):
    exponentials = [math.exp(logit) for logit in row]
    return [e / sum(exponentials) for e in exponentials]


def slow_scan(anchors, neighbors, entropy_weight):
    """Return the two terms of one head, from lists of rows of logits."""
    p, q = [softmax(row) for row in anchors], [softmax(row) for row in neighbors]
    agreement = [
        sum(a * b for a, b in zip(*rows, strict=True))
        for rows in zip(p, q, strict=True)
    ]
    consistency = -sum(math.log(a) for a in agreement) / len(p)
    mean = [sum(column) / len(p) for column in zip(*p, strict=True)]
    return consistency, entropy_weight * sum(m * math.log(m) for m in mean)


def slow_self_label(weak, strong, threshold):
    losses_of = {}
    for weak_row, strong_row in zip(weak, strong, strict=True):
        p = softmax(weak_row)
        label = p.index(max(p))
        if p[label] > threshold:
            loss = -math.log(softmax(strong_row)[label])
            losses_of.setdefault(label, []).append(loss)
    means = [sum(losses) / len(losses) for losses in losses_of.values()]
    return sum(means) / len(means) if means else 0.0


def slow_contrastive(first, second, temperature):
    views = first + second

    def similarity(i, j):
        dot = sum(a * b for a, b in zip(views[i], views[j], strict=True))
        cosine = dot / math.hypot(*views[i]) / math.hypot(*views[j])
        return math.exp(cosine / temperature)

    n = len(views)
    losses = []
    for i in range(n):
        others = sum(similarity(i, j) for j in range(n) if j != i)
        losses.append(-math.log(similarity(i, (i + n // 2) % n) / others))
    return sum(losses) / n


def per_head(anchor, partner, slow, *settings):
    pairs = zip(anchor.tolist(), partner.tolist(), strict=True)
    return torch.tensor([slow(*pair, *settings) for pair in pairs], dtype=torch.float64)


@pytest.mark.parametrize("n_heads", [1, 3])
def test_scan_loss_equals_the_slow_reference(n_heads):
    anchor, partner = random_logits(0, n_heads)
    terms = ScanLoss(entropy_weight=5.0)(anchor, partner)
    expected = per_head(anchor, partner, slow_scan, 5.0)
    torch.testing.assert_close(terms["consistency"], expected[:, 0])
    torch.testing.assert_close(terms["entropy"], expected[:, 1])


@pytest.mark.parametrize("n_heads", [1, 3])
@pytest.mark.parametrize("threshold", [0.0, 0.6, 0.9])
def test_self_label_loss_equals_the_slow_reference(n_heads, threshold):
    weak, strong = random_logits(1, n_heads, n_samples=12)
    loss = SelfLabelLoss(threshold)(weak, strong)["cross_entropy"]
    expected = per_head(weak, strong, slow_self_label, threshold)
    # its weights are of single precision
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("n_heads", [1, 3])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_contrastive_loss_equals_the_slow_reference(n_heads, temperature):
    first, second = random_logits(2, n_heads)
    loss = ContrastiveLoss(temperature)(first, second)["contrastive"]
    expected = per_head(first, second, slow_contrastive, temperature)
    torch.testing.assert_close(loss, expected)


def test_prior_makes_the_spread_a_divergence():
    anchor, partner = random_logits(3)
    spread = ScanLoss(entropy_weight=3.0, prior=PRIOR)(anchor, partner)["entropy"]
    mean = anchor.softmax(dim=2).mean(dim=1)
    expected = [3.0 * entropy(row, PRIOR) for row in mean]
    torch.testing.assert_close(spread, torch.tensor(expected))


@pytest.mark.parametrize("closed_form", [False, True])
@pytest.mark.parametrize("weights", [[5.0, 5.0, 5.0], WEIGHTS.tolist()])
@pytest.mark.parametrize("priors", [None, [PRIOR] * 3, [*PRIORS]])
def test_heads_side_by_side_are_one_loss_each(priors, weights, closed_form):
    """With a weight and a prior of its own for each."""
    outputs = tuple(random_logits(9))
    stacked = None if priors is None else torch.stack(priors)
    own = [
        ScanLoss(weight, prior)
        for weight, prior in zip(weights, priors or [None] * 3, strict=True)
    ]

    def apply(loss, of_heads):
        if closed_form:
            return loss.gradient(of_heads, NO_TARGETS)
        return super(ScanLoss, loss).gradient(of_heads, NO_TARGETS)

    terms, gradient = apply(ScanLoss(torch.tensor(weights), stacked), outputs)
    for head, loss in enumerate(own):
        alone, alone_gradient = apply(loss, tuple(part[[head]] for part in outputs))
        for name in ("consistency", "entropy"):
            torch.testing.assert_close(terms[name][[head]], alone[name])
        of_head = tuple(part[[head]] for part in gradient)
        torch.testing.assert_close(of_head, alone_gradient)


def test_a_weight_per_head_equals_the_slow_reference():
    anchor, partner = random_logits(10)
    spread = ScanLoss(WEIGHTS)(anchor, partner)["entropy"]
    pairs = zip(anchor.tolist(), partner.tolist(), WEIGHTS.tolist(), strict=True)
    expected = [slow_scan(*pair)[1] for pair in pairs]
    torch.testing.assert_close(spread, torch.tensor(expected, dtype=torch.float64))


def test_a_prior_per_head_is_a_divergence_from_each():
    anchor, partner = random_logits(11)
    spread = ScanLoss(2.0, PRIORS)(anchor, partner)["entropy"]
    means = anchor.softmax(dim=2).mean(dim=1)
    pairs = zip(means, PRIORS, strict=True)
    expected = [2.0 * entropy(mean, prior) for mean, prior in pairs]
    torch.testing.assert_close(spread, torch.tensor(expected))


def test_a_proportion_of_zero_keeps_the_cluster_empty():
    """At a finite loss, so that training goes on."""
    loss = ScanLoss(1.0, torch.tensor([0.5, 0.5, 0.0]))
    outputs = torch.zeros(1, 4, 3), torch.zeros(1, 4, 3)
    terms, gradient = loss.gradient(outputs, NO_TARGETS)
    assert torch.isfinite(torch.stack([*terms.values()])).all()
    assert all(torch.isfinite(part).all() for part in gradient)
    anchors = gradient[0][0]
    assert (anchors[:, 2] > 0).all()  # descent lowers its logits
    assert (anchors[:, :2] < 0).all()
    empty = torch.tensor([1.0, 1.0, -1000.0]).expand(1, 8, 3)
    assert loss(*empty.chunk(2, dim=1))["entropy"].item() == pytest.approx(0)


def test_weights_and_priors_move_with_the_loss():
    loss = ScanLoss(WEIGHTS, PRIORS)
    assert set(loss.state_dict()) == {"entropy_weight", "log_prior"}
    assert loss.to(torch.float16).log_prior.dtype == torch.float16


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss):
    anchor, partner = random_logits(4, n_heads=2, n_samples=4)
    # labels have no gradient
    anchor.requires_grad_(not isinstance(loss, SelfLabelLoss))
    partner.requires_grad_()
    assert gradcheck(lambda a, p: tuple(loss(a, p).values()), (anchor, partner))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_samples", [1, 5])
def test_extreme_logits_stay_finite(loss, dtype, n_samples):
    # few samples, so that the probability of some clusters is zero for all of them
    logits = 1000 * random_logits(5, n_samples=n_samples).sign().to(dtype)
    logits[..., 1] = -1000
    anchor, partner = logits.requires_grad_()
    terms = torch.stack([*loss(anchor, partner).values()])
    terms.sum().backward()
    assert torch.isfinite(terms).all()
    assert torch.isfinite(logits.grad).all()


def test_self_label_loss_of_undecided_anchors_is_exactly_zero():
    weak = torch.zeros(2, 5, 3)
    strong = random_logits(6, 2, 5, 3)[0].requires_grad_()
    loss = SelfLabelLoss(0.99)(weak, strong)["cross_entropy"]
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert strong.grad.count_nonzero() == 0


def test_self_label_loss_lets_each_cluster_weigh_the_same():
    # three anchors sure of cluster 0, one of cluster 1, none of 2, one undecided
    weak = 20 * torch.eye(3)[[0, 0, 0, 1]]
    weak = torch.cat([weak, torch.zeros(1, 3)])[None]
    strong = torch.zeros(1, 5, 3, requires_grad=True)
    SelfLabelLoss(0.99)(weak, strong)["cross_entropy"].sum().backward()
    weights = strong.grad[0].norm(dim=1) / (torch.eye(3)[0] - 1 / 3).norm()
    torch.testing.assert_close(weights, torch.tensor([1 / 6, 1 / 6, 1 / 6, 1 / 2, 0]))


def test_self_label_loss_has_no_gradient_into_its_labels():
    weak, strong = random_logits(7).requires_grad_()
    loss = SelfLabelLoss(0.5)(weak, strong)["cross_entropy"].sum()
    assert loss > 0
    (gradient,) = torch.autograd.grad(loss, weak, allow_unused=True)
    assert gradient is None


class OwnLoss(PairObjective):
    def terms(self, anchor, partner):
        return {"own": (anchor - partner).sum(dim=(1, 2))}


@pytest.mark.parametrize(
    ("anchor_shape", "partner_shape"),
    [((4, 3), (4, 3)), ((1, 4, 3), (1, 5, 3)), ((1, 4, 3), (4, 3))],
)
def test_shapes_are_checked_for_every_subclass(anchor_shape, partner_shape):
    message = f"(n_heads, b, n_outputs); got {anchor_shape} and {partner_shape}."
    with pytest.raises(ValueError, match=re.escape(message)):
        OwnLoss()(torch.zeros(anchor_shape), torch.zeros(partner_shape))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_outputs_are_those_of_anchors_and_of_partners(loss):
    outputs = tuple(random_logits(8))
    terms, gradient = loss.gradient(outputs, NO_TARGETS)
    expected = loss(*outputs)
    assert loss.losses(outputs, NO_TARGETS).keys() == expected.keys()
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name])
        assert not term.requires_grad
    leaves = tuple(part.clone().requires_grad_() for part in outputs)
    sum(term.sum() for term in loss(*leaves).values()).backward()
    for of_part, leaf in zip(gradient, leaves, strict=True):
        # labels have no gradient
        assert (of_part is None) == (leaf.grad is None)
        if of_part is not None:
            torch.testing.assert_close(of_part, leaf.grad)
    assert gradient[1] is not None


@pytest.mark.parametrize("with_prior", [False, True])
def test_scan_closed_form_is_the_gradient_of_the_terms(with_prior):
    prior = torch.tensor([0.1, 0.2, 0.3, 0.4]).double() if with_prior else None
    objective = ScanLoss(entropy_weight=3.0, prior=prior)
    outputs = tuple(3 * torch.randn(2, 3, 7, 4, dtype=torch.float64))
    terms, gradient = objective.gradient(outputs, NO_TARGETS)
    slow_terms, slow_gradient = Objective.gradient(objective, outputs, NO_TARGETS)
    torch.testing.assert_close(gradient, slow_gradient)
    assert terms.keys() == slow_terms.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, slow_terms[name])


def test_scan_closed_form_is_finite_where_probabilities_underflow():
    rows = 1000 * torch.eye(4)[None]
    outputs = rows[:, [0, 1, 2]], rows[:, [3, 1, 1]]  # pairs agree and disagree
    terms, gradient = ScanLoss().gradient(outputs, NO_TARGETS)
    _, slow_gradient = Objective.gradient(ScanLoss(), outputs, NO_TARGETS)
    assert all(torch.isfinite(term).all() for term in terms.values())
    torch.testing.assert_close(gradient, slow_gradient)
