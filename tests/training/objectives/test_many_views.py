"""Losses of two and more views of each image, against slow references."""

import math

import pytest
import torch
from torch.autograd import gradcheck

from sklearn_scan.training.objectives import (
    ContrastiveLoss,
    MemoryBankLoss,
    PredictionLoss,
    PrototypeLoss,
    QueueLoss,
    VICRegLoss,
)

N_IMAGES, N_OUTPUTS = 5, 4
ROWS = torch.arange(N_IMAGES)

for_views = pytest.mark.parametrize("n_views", [2, 3, 4])
for_heads = pytest.mark.parametrize("n_heads", [1, 3])


def random_views(n_views, n_heads=1, n_images=N_IMAGES, seed=0):
    """Return the outputs of each view, (n_heads, n_images, N_OUTPUTS)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_heads, n_views * n_images, N_OUTPUTS)
    outputs = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return outputs.chunk(n_views, dim=1)


def whole(n_views, n_heads=1, n_images=N_IMAGES, seed=0):
    """Return the outputs of all views in one tensor."""
    return torch.cat(random_views(n_views, n_heads, n_images, seed), dim=1)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def unit(row):
    length = math.hypot(*row)
    return [x / length for x in row]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def pairs_of(n_views):
    """Return the pairs of different views."""
    return [(i, j) for i in range(n_views) for j in range(n_views) if i != j]


def of_head(views, head):
    """Return the rows of each view as lists, of one head."""
    return [view[head].tolist() for view in views]


def assert_is(found, expected):
    assert found.tolist() == pytest.approx(expected)


def assert_gradients(loss, outputs, targets=ROWS):
    leaves = tuple(part.clone().requires_grad_() for part in outputs)
    assert gradcheck(lambda *o: tuple(loss.losses(o, targets).values()), leaves)


# -- contrasts -------------------------------------------------------------------------


def slow_contrastive(views, temperature):
    """The mean over all pairs: another view of the image, against those of others."""
    losses = []
    for i, j in pairs_of(len(views)):
        for image, row in enumerate(views[i]):
            own = math.exp(dot(unit(row), unit(views[j][image])) / temperature)
            others = sum(
                math.exp(dot(unit(row), unit(other)) / temperature)
                for view in views
                for number, other in enumerate(view)
                if number != image
            )
            losses.append(-math.log(own / (own + others)))
    return mean(losses)


@for_views
@for_heads
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_contrastive_loss(n_views, n_heads, temperature):
    views = random_views(n_views, n_heads)
    terms = ContrastiveLoss(temperature).losses(views, ROWS)
    expected = [
        slow_contrastive(of_head(views, h), temperature) for h in range(n_heads)
    ]
    assert_is(terms["contrastive"], expected)


def test_gradients_of_contrastive_loss():
    assert_gradients(ContrastiveLoss(0.5), random_views(3))


def test_a_single_image_has_nothing_to_contrast_with():
    views = random_views(3, n_images=1)
    terms, gradient = ContrastiveLoss().gradient(views, ROWS[:1])
    assert terms["contrastive"].item() == 0
    assert not torch.cat(gradient).any()


@pytest.mark.parametrize("n_views", [2, 4])
def test_queue_loss_is_the_mean_over_the_anchors(n_views):
    generator = torch.Generator().manual_seed(0)
    loss = QueueLoss(N_OUTPUTS, 7, generator=generator).double()
    *anchors, partner = random_views(n_views)
    found = loss.losses((*anchors, partner), ROWS)["contrastive"]
    assert_is(
        found, [mean(loss(each, partner)["contrastive"].item() for each in anchors)]
    )
    assert_gradients(loss, (*anchors, partner))
    loss.remember((*anchors, partner), ROWS)
    expected = [unit(row) for row in partner[0].tolist()]
    torch.testing.assert_close(loss.queue[:5], torch.tensor(expected).double())


@pytest.mark.parametrize("n_views", [1, 3])
def test_the_memory_bank_takes_in_the_mean_of_the_views(n_views):
    loss = MemoryBankLoss(
        N_IMAGES,
        N_OUTPUTS,
        n_negatives=3,
        temperature=0.5,
        momentum=0.0,
        generator=torch.Generator().manual_seed(0),
    ).double()
    views = random_views(n_views)
    rows = ROWS.flip(0)
    # as many images, each with one view, against the same bank
    state = loss.generator.get_state()
    found = loss.losses(views, rows)
    loss.generator.set_state(state)
    alone = loss.losses((torch.cat(views, dim=1),), rows.repeat(n_views))
    for name, term in found.items():
        torch.testing.assert_close(term, alone[name])
    loss.remember(views, rows)
    for image, row in enumerate(rows.tolist()):
        seen = [unit(view[0, image].tolist()) for view in views]
        expected = unit([mean(column) for column in zip(*seen, strict=True)])
        assert_is(loss.bank[row], expected)


# -- predictions -----------------------------------------------------------------------


def slow_prediction(predictions, goals, n_views):
    predictions, goals = (
        [rows[i : i + N_IMAGES] for i in range(0, len(rows), N_IMAGES)]
        for rows in (predictions, goals)
    )
    return mean(
        2 - 2 * dot(unit(predictions[i][image]), unit(goals[j][image]))
        for i, j in pairs_of(n_views)
        for image in range(N_IMAGES)
    )


@for_views
@for_heads
def test_prediction_loss(n_views, n_heads):
    outputs = whole(n_views, n_heads), whole(n_views, n_heads, seed=1)
    terms = PredictionLoss(n_views).losses(outputs, ROWS)
    assert list(terms) == ["prediction"]
    predictions, goals = (part.tolist() for part in outputs)
    expected = [
        slow_prediction(predictions[h], goals[h], n_views) for h in range(n_heads)
    ]
    assert_is(terms["prediction"], expected)


def test_targets_have_no_gradient():
    loss = PredictionLoss(3)
    outputs = whole(3), whole(3, seed=1)
    _, gradient = loss.gradient(outputs, ROWS)
    assert gradient[0].any()
    assert gradient[1] is None
    prediction = outputs[0].clone().requires_grad_()
    assert gradcheck(
        lambda p: loss.losses((p, outputs[1]), ROWS)["prediction"], prediction
    )


# -- prototypes ------------------------------------------------------------------------

LABELS = torch.tensor([2, 0, 0, 3, 2, 1, 1])  # of seven images, five in the batch
BATCH = torch.tensor([4, 1, 3, 2, 0])  # which has none of cluster 1


def slow_prototypes(projections, goals, labels, n_views):
    """The contrast of each cluster that is there, over all pairs of views."""

    def prototype(rows, view, cluster):
        chosen = [
            unit(rows[view * N_IMAGES + image])
            for image in range(N_IMAGES)
            if labels[image] == cluster
        ]
        return unit([mean(column) for column in zip(*chosen, strict=True)])

    clusters = sorted(set(labels))
    losses = []
    for i, j in pairs_of(n_views):
        own = {k: prototype(projections, i, k) for k in clusters}
        for k in clusters:
            alike = math.exp(dot(own[k], prototype(goals, j, k)) / 0.5)
            apart = sum(
                math.exp(dot(own[k], own[other]) / 0.5)
                for other in clusters
                if other != k
            )
            losses.append(-math.log(alike / (alike + apart)))
    return mean(losses)


def prototype_loss(n_views, labels=LABELS):
    loss = PrototypeLoss(len(labels), n_prototypes=4, weight=0.3, n_views=n_views)
    loss.labels.copy_(labels)
    return loss


@for_views
@for_heads
def test_prototype_loss(n_views, n_heads):
    outputs = tuple(whole(n_views, n_heads, seed=seed) for seed in range(3))
    terms = prototype_loss(n_views).losses(outputs, BATCH)
    alone = PredictionLoss(n_views).losses(outputs, BATCH)
    torch.testing.assert_close(terms["prediction"], alone["prediction"])
    _, goals, projections = (part.tolist() for part in outputs)
    expected = [
        0.3 * slow_prototypes(projections[h], goals[h], LABELS[BATCH].tolist(), n_views)
        for h in range(n_heads)
    ]
    assert_is(terms["prototypes"], expected)


def test_gradients_of_prototype_loss():
    loss = prototype_loss(3)
    predictions, goals, projections = (whole(3, seed=seed) for seed in range(3))
    leaves = predictions.clone().requires_grad_(), projections.clone().requires_grad_()
    assert gradcheck(
        lambda p, z: tuple(loss.losses((p, goals, z), BATCH).values()), leaves
    )
    _, (_, of_goals, of_projections) = loss.gradient(
        (predictions, goals, projections), BATCH
    )
    assert of_goals is None
    assert of_projections.any()


@pytest.mark.parametrize("label", [-1, 2], ids=["no labels", "one cluster"])
def test_nothing_to_contrast_costs_nothing(label):
    loss = prototype_loss(2, torch.full((7,), label))
    outputs = tuple(whole(2, seed=seed).float() for seed in range(3))
    terms, gradient = loss.gradient(outputs, BATCH)
    assert terms["prototypes"].item() == 0
    assert not gradient[2].any()


def test_labels_are_a_part_of_the_state():
    loss = prototype_loss(2)
    fresh = PrototypeLoss(7, n_prototypes=4, weight=0.3)
    assert fresh.labels.tolist() == [-1] * 7
    fresh.load_state_dict(loss.state_dict())
    assert torch.equal(fresh.labels, LABELS)


# -- variance and covariance -----------------------------------------------------------


def slow_vicreg(views):
    """Equations 1 to 5 of Bardes et al., with the distance divided by d."""
    n_views, n_images, n_outputs = len(views), len(views[0]), len(views[0][0])
    invariance = mean(
        (views[i][image][k] - views[j][image][k]) ** 2
        for i, j in pairs_of(n_views)
        for image in range(n_images)
        for k in range(n_outputs)
    )
    variance = covariance = 0.0
    for view in views:
        columns = [
            [x - mean(column) for x in column] for column in zip(*view, strict=True)
        ]
        for k, column in enumerate(columns):
            deviation = math.sqrt(dot(column, column) / (n_images - 1) + 1e-4)
            variance += max(0.0, 1 - deviation) / n_outputs / n_views
            for m, other in enumerate(columns):
                if k != m:
                    squared = (dot(column, other) / (n_images - 1)) ** 2
                    covariance += squared / n_outputs / n_views
    return invariance, variance, covariance


@for_views
@for_heads
@pytest.mark.parametrize("scale", [0.3, 1.0])
def test_vicreg_loss(n_views, n_heads, scale):
    views = [scale * view for view in random_views(n_views, n_heads)]
    terms = VICRegLoss(2.0, 3.0, 5.0).losses(tuple(views), ROWS)
    assert list(terms) == ["invariance", "variance", "covariance"]
    slow = [slow_vicreg(of_head(views, head)) for head in range(n_heads)]
    for number, (weight, term) in enumerate(
        zip([2.0, 3.0, 5.0], terms.values(), strict=True)
    ):
        assert_is(term, [weight * values[number] for values in slow])


def test_gradients_of_vicreg_loss():
    assert_gradients(VICRegLoss(), [0.3 * view for view in random_views(3)])


@pytest.mark.parametrize("n_images", [1, 4])
def test_vicreg_loss_of_outputs_all_alike_is_finite(n_images):
    alike = torch.ones(1, n_images, 3)
    terms, gradient = VICRegLoss().gradient((alike, alike), ROWS[:n_images])
    assert terms["variance"].item() == pytest.approx(25 * 0.99)
    assert torch.isfinite(torch.cat(gradient)).all()
