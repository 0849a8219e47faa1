"""RotNet: what is turned, and that it is told apart."""

import numpy as np
import torch
from pretext_helpers import CPU, Watch, conv_net, make_images

from sklearn_scan.pretext import RotNet


def test_the_network_sees_each_image_turned_four_times_and_not_augmented():
    seen = []
    images = make_images(7, 8)
    encoder = RotNet(lambda: Watch(seen), epochs=1, random_state=0, **CPU).fit(images)
    (views,) = seen
    assert views.shape == (28, 3, 8, 8)
    plain = encoder.encoder_.preprocessing_.normalize(torch.from_numpy(images))
    upright = views[:7]
    places = [
        int((plain - view).abs().amax(dim=(1, 2, 3)).argmin()) for view in upright
    ]
    assert sorted(places) == list(range(7))
    for n_turns in range(4):
        # counter-clockwise, as by NumPy
        expected = np.rot90(plain[places].numpy(), n_turns, axes=(2, 3)).copy()
        turned = views[7 * n_turns :][:7]
        torch.testing.assert_close(turned, torch.from_numpy(expected))


def test_turns_of_images_with_an_upside_are_told_apart():
    images = make_images(40, 8, 1) // 4
    images[:, :4] += 150
    settings = {"optimizer": "adamw", "learning_rate": 0.03}
    encoder = RotNet(conv_net, epochs=25, random_state=0, **settings, **CPU)
    losses = [record["loss"] for record in encoder.fit(images).history_]
    assert losses[0] > 1
    assert losses[-1] < 0.1


def test_turns_of_images_without_an_upside_are_not():
    images = np.broadcast_to(make_images(40, 1), (40, 8, 8, 3)).copy()
    encoder = RotNet(conv_net, epochs=5, random_state=0, **CPU).fit(images)
    assert encoder.history_[-1]["loss"] > np.log(4) - 1e-3
