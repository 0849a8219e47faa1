"""Smaller views in the first epochs: which, when, and how long it takes."""

import pytest
import torch
from numpy.testing import assert_array_equal
from pretext_helpers import CPU, Watch, conv_net, make_images
from torch import nn

from sklearn_scan.pretext import BYOL, MoCo, RotNet, SimCLR
from sklearn_scan.pretext._networks import SmallConvNet, UnpaddedConvNet
from sklearn_scan.training.loop import Loop

LARGE, SMALL = 32, 24
IMAGES = make_images(16, LARGE)  # in batches of 8: 2 steps an epoch


def fast(pretext=SimCLR, backbone=conv_net, **parameters):
    settings = {"batch_size": 8, "epochs": 4, "random_state": 0} | CPU
    return pretext(backbone, **settings | parameters)


def sides_seen(pretext, images=IMAGES):
    """Return the side of the views in each step of training."""
    seen = []
    pretext.set_params(backbone=lambda: Watch(seen)).fit(images)
    assert all(views.shape[2] == views.shape[3] for views in seen)
    return [views.shape[2] for views in seen]


@pytest.mark.parametrize("pretext", [SimCLR, BYOL, MoCo, RotNet])
def test_three_quarters_of_the_epochs_see_smaller_views(pretext):
    encoder = fast(pretext, progressive_resizing=True)
    seen = sides_seen(encoder)
    n_calls = len(seen) // 4  # an epoch; some networks see views in several calls
    assert n_calls >= 2
    assert seen == 3 * n_calls * [SMALL] + n_calls * [LARGE]
    assert encoder.encoder_.preprocessing_.input_size == LARGE


@pytest.mark.parametrize(
    ("epochs", "n_small"), [(1, 0), (2, 1), (3, 2), (5, 3), (8, 6)]
)
def test_the_last_epoch_is_of_the_whole_size(epochs, n_small):
    seen = sides_seen(fast(progressive_resizing=True, epochs=epochs))
    assert seen == 2 * n_small * [SMALL] + 2 * (epochs - n_small) * [LARGE]


def test_small_views_are_the_views_made_smaller():
    def plain(images):
        return images

    whole, small = [], []
    for seen, resizing in ((whole, False), (small, True)):
        encoder = fast(progressive_resizing=resizing, views=plain, epochs=2)
        encoder.set_params(backbone=lambda kept=seen: Watch(kept)).fit(IMAGES)
    expected = nn.functional.interpolate(
        whole[0], (SMALL, SMALL), mode="bilinear", antialias=True
    )
    torch.testing.assert_close(small[0], expected)


@pytest.mark.parametrize("resizing", ["auto", False])
def test_networks_of_users_see_one_size(resizing):
    assert set(sides_seen(fast(progressive_resizing=resizing))) == {LARGE}


def sides_of(kind, pretext):
    """Return the sides of what networks of a kind are given in training."""
    seen = set()

    def watch(module, views):
        if isinstance(module, kind) and module.training:
            seen.add(views[0].shape[2])

    hook = nn.modules.module.register_module_forward_pre_hook(watch)
    try:
        pretext.fit(IMAGES)
    finally:
        hook.remove()
    return seen


@pytest.mark.parametrize(
    ("side", "expected"), [(28, {28}), (LARGE, {SMALL, LARGE}), (40, {30, 40})]
)
def test_our_own_network_sees_small_views_of_32_pixels_or_more(side, expected):
    encoder = fast(backbone="auto", image_size=side, epochs=2)
    assert sides_of(SmallConvNet, encoder) == expected
    encoder.set_params(progressive_resizing=False)
    assert sides_of(SmallConvNet, encoder) == {side}


def test_other_networks_of_ours_see_one_size():
    encoder = fast(backbone="jule", epochs=2)
    assert sides_of(UnpaddedConvNet, encoder) == {LARGE}


@pytest.mark.parametrize("stop_at", [3, 6, 7])
def test_a_stopped_fit_goes_on_with_the_size_it_stopped_at(
    stop_at, stop_training, tmp_path
):
    expected = fast(progressive_resizing=True).fit(IMAGES)
    stopped = fast(progressive_resizing=True, checkpoint=tmp_path)
    stop_training(lambda: stopped.fit(IMAGES), stop_at + 1)
    found = fast(progressive_resizing=True, checkpoint=tmp_path).fit(IMAGES)
    assert found.history_ == expected.history_
    assert_array_equal(found.transform(IMAGES), expected.transform(IMAGES))


# An epoch of two steps takes 2 seconds, and one of small views 1; three steps are timed
# of each, 10 + 2 + 1 seconds and then half a second each.
TIMED = 13 + 1.5


@pytest.fixture
def clock(step_clock, monkeypatch):
    step = Loop.step

    def quick(loop, batch):
        now = step_clock.now
        terms = step(loop, batch)
        if batch.views.shape[2] == SMALL:
            step_clock.now = now + (step_clock.now - now) / 2
        return terms

    monkeypatch.setattr(Loop, "step", quick)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("seconds", "expected", "takes"),
    [(2, 1, 2), (2.9, 1, 2), (3, 2, 3), (4, 3, 4), (5, 4, 5)],
)
def test_a_budget_counts_epochs_of_small_views_for_what_they_take(
    seconds, expected, takes
):
    budget = (TIMED + seconds) / 60
    encoder = fast(progressive_resizing=True, epochs="auto", max_minutes=budget)
    plans = []
    encoder.fit_announced(IMAGES, plans.append)
    assert encoder.n_epochs_ == expected
    assert plans == [(expected, takes)]


@pytest.mark.usefixtures("clock")
def test_two_epochs_are_of_the_whole_size_among_six():
    plans = []
    fast(progressive_resizing=True, epochs=6).fit_announced(IMAGES, plans.append)
    assert plans == [(6, 4 * 1 + 2 * 2)]


@pytest.mark.usefixtures("clock")
def test_a_budget_too_short_for_one_epoch_of_the_whole_size():
    encoder = fast(progressive_resizing=True, max_minutes=(TIMED + 1.9) / 60)
    with pytest.raises(
        ValueError, match=r"one epoch, which takes about 0\.033 minutes"
    ):
        encoder.fit(IMAGES)


# -- bad input -------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_wrong_values(value):
    with pytest.raises((TypeError, ValueError), match="progressive_resizing must be"):
        fast(progressive_resizing=value).fit(["no-such-file.png"])


def flat_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * LARGE**2, 4))


def growing_net():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.MaxPool2d(4), nn.Flatten())


@pytest.mark.parametrize(
    ("network", "reason"), [(flat_net, "cannot be multiplied"), (growing_net, "size")]
)
def test_a_network_for_one_size(network, reason):
    message = rf"of 24 x 24 pixels \(.*{reason}.*\): pass progressive_resizing=False"
    with pytest.raises(ValueError, match=message):
        fast(backbone=network, progressive_resizing=True).fit(IMAGES)
    fast(backbone=network, epochs=1).fit(IMAGES)
