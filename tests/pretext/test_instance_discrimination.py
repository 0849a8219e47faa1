"""Instance discrimination: its views and its memory bank."""

import pytest
import torch
from pretext_helpers import CPU, Watch, conv_net, make_images

from sklearn_scan.pretext import InstanceDiscrimination
from sklearn_scan.training.objectives import MemoryBankLoss


@pytest.fixture
def banks(monkeypatch):
    """Keep every memory bank, and the images each step was told of."""
    found = []
    gradient = MemoryBankLoss.gradient

    def watch(self, outputs, targets):
        if not any(bank is self for bank, _ in found):
            found.append((self, []))
        (views,) = outputs
        found[-1][1].append((views.shape, targets.tolist()))
        return gradient(self, outputs, targets)

    monkeypatch.setattr(MemoryBankLoss, "gradient", watch)
    return found


def fit(n_images=10, **parameters):
    settings = {"epochs": 2, "batch_size": 4, "random_state": 0} | CPU
    encoder = InstanceDiscrimination(conv_net, **settings | parameters)
    return encoder.fit(make_images(n_images))


def test_the_bank_has_a_place_for_each_image(banks):
    fit(projection_dim=6, n_negatives=3, temperature=0.7, momentum=0.2)
    ((bank, steps),) = banks
    assert bank.bank.shape == (10, 6)
    assert (bank.n_negatives, bank.temperature, bank.momentum) == (3, 0.7, 0.2)
    assert len(steps) == 6
    for epoch in (steps[:3], steps[3:]):
        assert sorted(row for _, rows in epoch for row in rows) == list(range(10))
    assert all(shape == (1, len(rows), 6) for shape, rows in steps)


@pytest.mark.parametrize(("n_negatives", "expected"), [(4096, 10), (10, 10), (2, 2)])
def test_no_more_noise_than_images(banks, n_negatives, expected):
    fit(n_negatives=n_negatives)
    assert banks[0][0].n_negatives == expected


def test_one_view_of_each_image():
    seen = []
    encoder = InstanceDiscrimination(
        lambda: Watch(seen), views=torch.zeros_like, epochs=1, **CPU
    )
    encoder.fit(make_images(10))
    views = torch.cat(seen)
    assert len(views) == 10
    assert (views == views[0]).all()


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_negatives": 0}, ValueError, "n_negatives must be .*; got 0"),
        ({"n_negatives": True}, TypeError, "n_negatives must be an integer"),
        ({"momentum": 1.0}, ValueError, "momentum must be .*; got 1.0"),
        ({"momentum": "half"}, TypeError, "momentum must be a number; got"),
    ],
)
def test_wrong_parameters(parameters, error, message):
    with pytest.raises(error, match=message):
        fit(**parameters)
