"""Features that become all alike are noticed; so are images that are."""

import numpy as np
import pytest
import torch
from pretext_helpers import CPU, conv_net, make_images, mean_net
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from sklearn_scan.datasets import load_digits_images
from sklearn_scan.pretext import BYOL, MoCo, RotNet, SimCLR, SimSiam, VICReg, _byol
from sklearn_scan.pretext._collapse import LEAST_PART, NoticeCollapse, measure_spread
from sklearn_scan.pretext._networks import Bootstrap


class Collapsed(nn.Module):
    """A network that gives all images nearly the same features once it is trained."""

    def __init__(self):
        super().__init__()
        self.net = mean_net()
        self.is_trained = False

    def forward(self, images):
        self.is_trained |= self.training
        features = self.net(images)
        if self.training or not self.is_trained:
            return features
        return 1 + 1e-4 * features.sigmoid()


def fast(pretext, backbone=conv_net, **parameters):
    settings = {"epochs": 1, "batch_size": 16, "random_state": 0} | CPU
    return pretext(backbone, **settings | parameters)


@pytest.mark.parametrize("pretext", [BYOL, SimSiam])
def test_a_collapse_is_warned_of_with_what_to_change(pretext):
    message = (
        rf"{pretext.__name__} collapsed: the features of all images are nearly .*"
        r"spread is \d.*e-0\d, .* Raise batch_size or epochs, or lower learning_rate, "
        "or use SimCLR or VICReg"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        fast(pretext, Collapsed).fit(make_images(20))


@pytest.mark.parametrize("pretext", [SimCLR, VICReg, RotNet])
def test_who_contrasts_is_not_told_to_contrast(pretext):
    with pytest.warns(ConvergenceWarning, match=r"or lower learning_rate\.$"):
        fast(pretext, Collapsed).fit(make_images(20))


class Narrow(nn.Module):
    """Projections around a direction, with a deviation of `width` of the features."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, features):
        return 1 + self.width * features


@pytest.mark.parametrize("part", [0.5, 2])
def test_projections_collapse_where_they_lose_most_of_the_spread(part, recwarn):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(300, 16, generator=generator)  # of spread one
    settings = "Own", nn.Identity(), lambda: features
    NoticeCollapse(*settings, Narrow(part * LEAST_PART)).end(None)
    messages = [str(warning.message) for warning in recwarn.list]
    assert len(messages) == (part < 1)
    assert all("Own collapsed: the projections of all" in each for each in messages)
    NoticeCollapse(*settings).end(None)  # not what is compared
    assert len(recwarn) == len(messages)


def test_training_without_a_predictor_is_noticed(monkeypatch):
    """The trivial solution: batch norms keep only the features apart."""

    def without(backbone, projector, predictor, **settings):
        return Bootstrap(backbone, projector, nn.Identity(), **settings)

    images = load_digits_images().images[:200]
    pretext = fast(BYOL, epochs=100, batch_size=50, momentum=0.0)
    pretext.fit(images)  # without a warning
    monkeypatch.setattr(_byol, "Bootstrap", without)
    with pytest.warns(ConvergenceWarning, match="BYOL collapsed: the projections"):
        pretext.fit(images)


@pytest.mark.parametrize("n_features", [2, 64])
def test_the_spread_of_even_directions_is_one_and_of_one_direction_zero(n_features):
    generator = torch.Generator().manual_seed(0)
    even = torch.randn(4000, n_features, generator=generator)
    assert measure_spread(even) == pytest.approx(1, abs=0.05)
    lengths = torch.rand(50, 1, generator=generator) + 0.1
    assert measure_spread(lengths * even[:1]) == pytest.approx(0, abs=1e-6)
    assert measure_spread(torch.zeros(9, n_features)) == 0


@pytest.mark.parametrize("pretext", [SimCLR, MoCo, BYOL, RotNet])
@pytest.mark.parametrize("n_images", [2, 9])
def test_images_all_the_same_teach_nothing(pretext, n_images):
    image = make_images(1)
    seen = []

    def build():
        seen.append(conv_net())
        return seen[-1]

    with pytest.raises(ValueError, match=f"X holds {n_images} images that are all"):
        fast(pretext, build).fit(np.repeat(image, n_images, axis=0))
    assert not seen
    other = np.concatenate([np.repeat(image, n_images, axis=0), make_images(1, seed=1)])
    fast(pretext).fit(other)


def test_of_a_few_images_nothing_is_said(recwarn):
    views = torch.zeros(15, 3, 8, 8)
    NoticeCollapse("BYOL", mean_net(), lambda: views).end(None)
    assert not recwarn
    with pytest.warns(ConvergenceWarning, match="collapsed"):
        NoticeCollapse("BYOL", mean_net(), lambda: torch.zeros(16, 3, 8, 8)).end(None)
