"""BYOL and SimSiam: what predicts, what is predicted, and the clusters of ProPos."""

import math

import pytest
import torch
from numpy.testing import assert_array_equal
from pretext_helpers import CPU, Watch, conv_net, make_images
from torch import nn

from sklearn_scan.pretext import BYOL, InstanceDiscrimination, SimCLR, SimSiam, VICReg
from sklearn_scan.pretext._byol import rising_decay
from sklearn_scan.pretext._networks import Bootstrap, NormalizedMLP, Siamese
from sklearn_scan.pretext._pseudo_labels import PseudoLabels, suggest_prototypes
from sklearn_scan.training.averaging import MovingAverage
from sklearn_scan.training.objectives import PrototypeLoss


def make_bootstrap(noise=0.0):
    torch.manual_seed(0)
    return Bootstrap(
        conv_net(),
        NormalizedMLP(24, 7, 5),
        NormalizedMLP(5, 7, 5),
        decay=0.9,
        noise=noise,
    )


def random_views(n=6, seed=0):
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def fit(pretext=BYOL, n_images=30, **parameters):
    settings = {"epochs": 3, "batch_size": 10, "random_state": 0} | CPU
    return pretext(conv_net, **settings | parameters).fit(make_images(n_images))


def test_predictions_targets_and_projections():
    module = make_bootstrap().eval()
    views = random_views()
    predictions, targets, projections = module(views)
    assert predictions.shape == targets.shape == projections.shape == (1, 6, 5)
    torch.testing.assert_close(projections[0], module.online(views))
    torch.testing.assert_close(predictions[0], module.predictor(projections[0]))
    torch.testing.assert_close(targets[0], module.average(views))


def test_the_average_follows_and_has_no_gradient():
    module = make_bootstrap().train()
    weight = module.online[0][0].weight
    seen = []
    for step in range(3):
        nn.init.constant_(weight, float(step))
        predictions, targets, _ = module(random_views(seed=step))
        seen.append(module.target_backbone[0].weight.mean().item())
        assert not targets.requires_grad
    assert seen == pytest.approx([0, 0.1, 0.29])
    predictions.square().sum().backward()
    assert all(p.grad is not None for p in module.online.parameters())
    assert not any(p.requires_grad for p in module.average.parameters())


def test_the_average_uses_the_statistics_of_the_batch():
    """Its own are at first of no images: all targets would be much alike."""
    module = make_bootstrap().train()
    views = 5 + random_views(20)
    with torch.no_grad():
        projections, targets = module.online(views), module(views)[1]
    torch.testing.assert_close(targets[0], projections)
    linear, norm, *_ = module.average.module[1]
    hidden = norm(linear(module.target_backbone(views)))
    torch.testing.assert_close(hidden.mean(0), torch.zeros(7), atol=1e-4, rtol=0)
    # to find clusters it uses its own, which are by then of images
    module.eval()
    alone = module(views[:1])[1]
    torch.testing.assert_close(alone, module(views)[1][:, :1])


def test_noise_comes_before_the_predictor():
    module = make_bootstrap(noise=0.1).eval()
    views = random_views()
    (first, _, projections), (second, _, same) = module(views), module(views)
    torch.testing.assert_close(projections, same)
    assert (first - second).abs().max() > 1e-3


def test_siamese_targets_are_its_own_projections_without_gradient():
    torch.manual_seed(0)
    module = Siamese(conv_net(), NormalizedMLP(24, 7, 5), NormalizedMLP(5, 7, 5))
    predictions, targets = module.eval()(random_views())
    torch.testing.assert_close(targets[0], module.online(random_views()))
    assert predictions.requires_grad
    assert not targets.requires_grad


def test_the_decay_rises_to_one_along_a_cosine():
    decays = [rising_decay(step, start=0.9, n_steps=10) for step in range(11)]
    assert decays == pytest.approx(
        [1 - 0.1 * (math.cos(math.pi * step / 10) + 1) / 2 for step in range(11)]
    )
    assert (decays[0], decays[-1]) == (pytest.approx(0.9), 1)


def test_the_decay_is_that_of_all_steps(monkeypatch):
    averages = []
    update = MovingAverage.update

    def watch(self, module):
        averages.append(self.decay(self.n_updates))
        update(self, module)

    monkeypatch.setattr(MovingAverage, "update", watch)
    fit(momentum=0.8)  # nine steps
    expected = [rising_decay(step, start=0.8, n_steps=9) for step in range(9)]
    assert averages == pytest.approx(expected)


@pytest.mark.parametrize("pretext", [BYOL, SimSiam, VICReg, SimCLR])
@pytest.mark.parametrize("n_views", [2, 3])
def test_views_lie_one_after_the_other(pretext, n_views):
    seen = []
    images = make_images(10)
    encoder = pretext(
        lambda: Watch(seen),
        views=lambda batch: batch.clone(),
        n_views=n_views,
        epochs=1,
        random_state=0,
        **CPU,
    )
    encoder.fit(images)
    (views,) = seen
    assert len(views) == n_views * 10
    first, *others = views.chunk(n_views)
    assert all(torch.equal(first, each) for each in others)
    assert len(first.unique(dim=0)) == 10


@pytest.mark.parametrize("pretext", [BYOL, SimCLR])
def test_one_view_is_not_enough(pretext):
    with pytest.raises(ValueError, match="n_views must be at least 2; got 1"):
        fit(pretext, n_views=1)


def test_instance_discrimination_takes_any_number_of_views():
    with pytest.raises(ValueError, match="n_views must be at least 1; got 0"):
        fit(InstanceDiscrimination, n_views=0)
    history = fit(InstanceDiscrimination, n_views=3).history_
    assert all(math.isfinite(record["loss"]) for record in history)


# -- clusters --------------------------------------------------------------------------


@pytest.fixture
def labels(monkeypatch):
    """The labels that each step had."""
    seen = []
    gradient = PrototypeLoss.gradient

    def watch(self, outputs, targets):
        seen.append(self.labels.tolist())
        return gradient(self, outputs, targets)

    monkeypatch.setattr(PrototypeLoss, "gradient", watch)
    return seen


@pytest.mark.parametrize(("epochs", "n_without"), [(2, 1), (10, 1), (11, 2)])
def test_clusters_come_after_a_tenth_of_the_epochs(labels, epochs, n_without):
    history = fit(prototype_weight=0.1, n_prototypes=4, epochs=epochs).history_
    assert len(labels) == 3 * epochs
    without, having = labels[: 3 * n_without], labels[3 * n_without :]
    assert all(set(each) == {-1} for each in without)
    assert all(set(each) == {0, 1, 2, 3} for each in having)
    assert all(record["prototypes"] == 0 for record in history[:n_without])
    assert all(record["prototypes"] > 0 for record in history[n_without:])


def test_clusters_are_those_of_alike_images(labels):
    images = make_images(30) // 16
    images[::2] += 200
    BYOL(
        conv_net,
        epochs=2,
        batch_size=10,
        n_prototypes=2,
        prototype_weight=0.1,
        random_state=0,
        **CPU,
    ).fit(images)
    found = labels[-1]
    assert len(set(found[::2])) == len(set(found[1::2])) == 1
    assert found[0] != found[1]


def test_clusters_are_of_single_images_and_the_steps_of_batches(monkeypatch):
    """As far as the statistics of batch norms go."""
    modes = []
    forward = MovingAverage.forward
    embed = PseudoLabels._embed

    def watch_steps(self, views):
        modes.append({part.training for part in self.module.modules()})
        return forward(self, views)

    def watch_clusters(self, loop):
        features = embed(self, loop)
        modes.append({part.training for part in self._backbone.modules()})
        return features

    monkeypatch.setattr(MovingAverage, "forward", watch_steps)
    monkeypatch.setattr(PseudoLabels, "_embed", watch_clusters)
    fit(prototype_weight=0.1, n_prototypes=4, epochs=3)  # of three steps
    assert modes == [{True}] * 3 + 2 * ([{False}] + [{True}] * 3)


def test_without_a_weight_there_are_no_clusters(labels):
    assert "prototypes" not in fit().history_[-1]
    assert not labels


def test_no_more_clusters_than_images(labels):
    fit(prototype_weight=0.1, n_prototypes=99, n_images=6)
    assert set(labels[-1]) == set(range(6))


@pytest.mark.parametrize(("n_images", "expected"), [(2, 2), (50, 5), (5000, 50)])
def test_automatic_number_of_clusters(n_images, expected):
    assert suggest_prototypes(n_images) == expected


def test_propos_is_seeded():
    images = make_images(30)
    settings = {"prototype_weight": 0.1, "noise": 0.001, "n_views": 3}
    first, again = (fit(**settings).transform(images) for _ in range(2))
    assert_array_equal(first, again)
    other = fit(**settings, random_state=1).transform(images)
    assert (other != first).any()


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"momentum": 1.1}, ValueError, "momentum must be .*; got 1.1"),
        ({"noise": -0.1}, ValueError, "noise must be .*; got -0.1"),
        ({"hidden_dim": 0}, ValueError, "hidden_dim must be .*; got 0"),
        ({"prototype_weight": -1}, ValueError, "prototype_weight must be .*; got -1"),
        ({"n_prototypes": 1}, ValueError, "n_prototypes must be at least 2; got 1"),
        ({"n_prototypes": "many"}, ValueError, "n_prototypes must be 'auto' or a"),
        ({"n_views": 2.5}, TypeError, "n_views must be an integer"),
    ],
)
def test_wrong_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        fit(**parameters)
