"""MoCo: the network that follows, and the queue."""

import copy

import pytest
import torch
from pretext_helpers import CPU, Watch, conv_net, make_images, unchanged
from torch import nn

from sklearn_scan.pretext import MoCo
from sklearn_scan.pretext._networks import MomentumPair, ProjectionHead
from sklearn_scan.training.objectives import QueueLoss


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return MomentumPair(conv_net(), ProjectionHead(24, 5), momentum=0.9)


def random_views(n=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, 8, 8, generator=generator)


def state(module):
    return {k: v.clone() for k, v in module.state_dict().items()}


def test_projections_of_anchors_and_partners(pair):
    pair.eval()
    views = random_views()
    anchors, partners = pair(views)
    assert anchors.shape == partners.shape == (1, 3, 5)
    torch.testing.assert_close(anchors, pair.online(views[:3]))
    torch.testing.assert_close(partners, pair.average(views[3:]))


def test_the_average_starts_as_the_network(pair):
    assert_average(pair, pair.online.state_dict())


def assert_average(pair, expected):
    averaged = pair.average.module.state_dict()
    for name, value in expected.items():
        if value.is_floating_point():
            torch.testing.assert_close(averaged[name], value, msg=name)


def test_the_average_follows_the_formula_with_the_statistics_of_batch_norms(pair):
    pair.train()
    optimizer = torch.optim.SGD(pair.online.parameters(), 0.1)
    expected = None
    for step in range(4):
        anchors, _ = pair(random_views(seed=step))
        # the weights before the step, and the statistics after the anchors
        online = state(pair.online)
        if expected is None:
            expected = online
        else:
            expected = {
                name: 0.9 * expected[name] + 0.1 * value
                for name, value in online.items()
                if value.is_floating_point()
            }
        assert_average(pair, expected)
        optimizer.zero_grad()
        anchors.square().sum().backward()
        optimizer.step()
    moved = state(pair.online)["0.1.running_mean"] - expected["0.1.running_mean"]
    assert moved.abs().max() > 1e-4


def test_no_gradient_reaches_the_average(pair):
    pair.train()
    anchors, partners = pair(random_views())
    assert not partners.requires_grad
    (anchors.square().sum() + partners.square().sum()).backward()
    assert all(parameter.grad is not None for parameter in pair.online.parameters())
    assert all(parameter.grad is None for parameter in pair.average.parameters())
    assert not any(parameter.requires_grad for parameter in pair.average.parameters())
    pair.zero_grad()
    anchors, partners = pair(random_views())
    (anchors * 0 + partners).square().sum().backward()
    assert not any(p.grad.any() for p in pair.online.parameters())


def test_the_average_uses_its_own_statistics_in_every_mode(pair):
    for mode in (True, False, True):
        pair.train(mode)
        assert pair.online.training == mode
        assert not any(module.training for module in pair.average.modules())
    views = random_views()
    _, partners = pair(views)
    alone = pair.average(views[3:4])  # whatever else is in the batch
    torch.testing.assert_close(partners[:, :1], alone)


def test_evaluation_moves_nothing(pair):
    pair.eval()
    before = state(pair)
    pair(random_views())
    for name, value in pair.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_encoder_is_the_trained_network_not_the_average():
    images = make_images(12)
    nets = []

    def build():
        nets.append(conv_net())
        return nets[-1]

    encoder = MoCo(build, epochs=2, random_state=0, **CPU).fit(images)
    assert len(nets) == 1
    assert encoder.encoder_.module_ is nets[0]


def test_the_queue_holds_no_more_than_half_of_the_images(monkeypatch):
    sizes = []
    start = QueueLoss.__init__

    def watch(self, n_outputs, queue_size, *arguments, **settings):
        sizes.append((n_outputs, queue_size))
        start(self, n_outputs, queue_size, *arguments, **settings)

    monkeypatch.setattr(QueueLoss, "__init__", watch)
    for n_images, queue_size in [(12, 4096), (12, 5), (2, 4096), (3, 4096)]:
        moco = MoCo(conv_net, epochs=1, projection_dim=7, queue_size=queue_size, **CPU)
        moco.fit(make_images(n_images))
    assert sizes == [(7, 6), (7, 5), (7, 1), (7, 1)]


def test_both_of_a_pair_are_views():
    seen = []
    images = make_images(10)
    MoCo(lambda: Watch(seen), views=torch.zeros_like, epochs=1, **CPU).fit(images)
    views = torch.cat(seen)
    assert len(views) == 10  # the network itself sees the anchors only
    assert (views == views[0]).all()


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"queue_size": 0}, ValueError, "queue_size must be .*; got 0"),
        ({"queue_size": 2.5}, TypeError, "queue_size must be an integer"),
        ({"momentum": 1.0}, ValueError, "momentum must be .*; got 1.0"),
        ({"momentum": -0.1}, ValueError, "momentum must be .*; got -0.1"),
    ],
)
def test_wrong_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        MoCo(epochs=1, **parameters).fit(make_images(4))


def test_momentum_reaches_the_average():
    images = make_images(30)

    def losses(momentum):
        moco = MoCo(
            conv_net,
            views=unchanged,
            epochs=4,
            batch_size=5,
            momentum=momentum,
            random_state=0,
            **CPU,
        )
        return [record["loss"] for record in moco.fit(images).history_]

    assert losses(0.0)[-1] != losses(0.99)[-1]


def test_a_pair_is_copied_apart_from_its_average(pair):
    copied = copy.deepcopy(pair)
    with torch.no_grad():
        copied.online[0][0].weight.zero_()
    assert pair.online[0][0].weight.any()
    assert pair.average.module[0][0].weight.any()
    assert isinstance(pair.online, nn.Sequential)
