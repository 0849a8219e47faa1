"""A step of training on a second device: nothing mixes devices, or waits for it.

The second device is torch's "meta", which computes shapes alone. A tensor on it has no
numbers: to read one, by `.item()`, `.cpu()`, `bool` or a mask, raises.
"""

from contextlib import nullcontext
from functools import partial
from inspect import isabstract, isclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sklearn_scan import pretext
from sklearn_scan.clusterers import trunks
from sklearn_scan.clusterers.defaults import Schedule
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import (
    Finetuning,
    FixMatch,
    Found,
    Material,
    SelfLabeling,
)
from sklearn_scan.clusterers.trunks import BackboneTrunk
from sklearn_scan.encoders import Preprocessing
from sklearn_scan.images.augment import ColorViews, StrongViews
from sklearn_scan.neighbors import mine_neighbors
from sklearn_scan.pretext import BYOL, SimCLR, _base
from sklearn_scan.pretext._network_encoder import TrainingImages
from sklearn_scan.training.heads import ClusterHeads, Standardize

META = torch.device("meta")
N_IMAGES, SIZE, BATCH = 40, 8, 10
PREPROCESSING = Preprocessing(SIZE, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
PRETEXTS = [
    each
    for each in vars(pretext).values()
    if isclass(each) and issubclass(each, _base.Pretext) and not isabstract(each)
]


class OneDevice(TorchDispatchMode):
    """Raises where an operation mixes devices, or where a copy waits for the device."""

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        settings = settings or {}
        aten = torch.ops.aten
        inputs = [x for x in tree_leaves((arguments, settings)) if is_tensor(x)]
        if function in (aten._to_copy.default, aten.copy_.default):
            assert not is_blocking(function, arguments, settings), "a copy waits"
        else:
            # a single number of the CPU is passed to a kernel as it is
            devices = {x.device for x in inputs if x.ndim or x.device == META}
            assert len(devices) <= 1, f"{function} mixes devices"
        return function(*arguments, **settings)


def is_tensor(x):
    return isinstance(x, Tensor)


def is_blocking(function, arguments, settings):
    """Tell whether a copy goes from the CPU to the device, and waits for it."""
    is_in_place = function is torch.ops.aten.copy_.default
    source = arguments[1] if is_in_place else arguments[0]
    target = arguments[0].device if is_in_place else settings.get("device")
    is_async = arguments[2:] == (True,) if is_in_place else settings.get("non_blocking")
    return source.device.type == "cpu" and target == META and not is_async


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """Compute as it is: of "meta" there is no autocast."""
    for module in (_base, trunks):
        monkeypatch.setattr(module, "autocast", lambda *_: nullcontext())


def make_images():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (N_IMAGES, 3, SIZE, SIZE), dtype=np.uint8)
    return torch.from_numpy(pixels)


def conv_net():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def pretext_loop(made):
    """Return the loop of a pretext, on the second device."""
    training = TrainingImages(make_images(), PREPROCESSING, None)
    return made._make_loop(conv_net(), training, made.epochs, META, seed=0)


def take_steps(loop):
    """Take a first step, in which views are looked at, and then steps on one device."""
    names = ("view", "anchor_view", "partner_view", "first_view", "second_view")
    for name in names:
        if hasattr(loop.batches, name):
            getattr(loop.batches, name)(make_images())
    for group in loop.optimizer.param_groups:
        group["fused"] = False  # of "meta" there is no such kernel
    loop.module.train()
    batches = iter(loop.batches)
    loop.step(next(batches))
    with OneDevice():
        for batch in batches:
            terms = loop.step(batch)
    return terms


@pytest.mark.parametrize(
    "kind", [*PRETEXTS, partial(BYOL, noise=0.1, prototype_weight=0.1)]
)
def test_a_step_of_a_pretext(kind):
    terms = take_steps(pretext_loop(kind(epochs=2, batch_size=BATCH)))
    assert all(term.device == META for term in terms.values())


class CaughtError(Exception):
    """Carries a loop that was about to run."""


class CatchingRun(Run):
    """A run that raises its loop."""

    def train(self, loop, n_epochs):
        raise CaughtError(loop)


def stage_loop(stage, found=None):
    """Return the loop of a stage, on the second device."""
    trunk = BackboneTrunk(
        make_images(),
        conv_net(),
        Standardize(torch.zeros(6), torch.ones(6)),
        PREPROCESSING,
        augment=StrongViews(),
        device=META,
        dtype=torch.float32,
    )
    features = np.random.default_rng(0).normal(size=(N_IMAGES, 6)).astype(np.float32)
    material = Material(trunk, mine_neighbors(features, 5), n_clusters=3)
    with pytest.raises(CaughtError) as caught:
        stage.run(material, found, CatchingRun(0))
    return caught.value.args[0]


def test_a_step_of_finetuning():
    loop = stage_loop(Finetuning(2, 5.0, Schedule(2, BATCH, 1e-3)))
    terms = take_steps(loop)
    assert all(term.device == META for term in terms.values())


def self_training_loop(kind, ema_decay):
    """Return the loop of a stage that goes on from a head."""
    heads = ClusterHeads(6, 3, 1, generator=torch.Generator().manual_seed(0))
    # decisions are read between epochs: they are on the CPU
    found = Found.best_of(
        heads, torch.zeros(1), torch.zeros(1), torch.rand(N_IMAGES, 6)
    )
    found.head.to(META)
    return stage_loop(kind(0.1, Schedule(2, BATCH, 1e-3), ema_decay), found)


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_step_of_self_labeling(ema_decay):
    loop = self_training_loop(SelfLabeling, ema_decay)
    loop.objective.to(META)
    take_steps(loop)


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_step_of_fixmatch(ema_decay, monkeypatch):
    # they are chosen before the first step, by features, which have no numbers here
    monkeypatch.setattr(FixMatch, "_choose_labels", lambda *_: torch.arange(40) % 3)
    terms = take_steps(self_training_loop(FixMatch, ema_decay))
    assert all(term.device == META for term in terms.values())


class Reads(ColorViews):
    """Views that look at a pixel."""

    def __call__(self, images):
        return super().__call__(images) + images[0, 0, 0, 0].item() * 0


class Moves(ColorViews):
    """Views that are made on the CPU."""

    def __call__(self, images):
        return super().__call__(images.cpu()).to(images.device)


class Waits(ColorViews):
    """Views that bring numbers of their own to the device, and wait until they came."""

    def __call__(self, images):
        return super().__call__(images) * torch.ones(len(images), 1, 1, 1).to(
            images.device
        )


class Mixes(ColorViews):
    """Views chosen by rows that are on the CPU."""

    def __call__(self, images):
        return super().__call__(images)[torch.arange(len(images))]


@pytest.mark.parametrize(
    ("views", "error"),
    [
        (Reads(), "cannot be called on meta tensors"),
        (Moves(), "Cannot copy out of meta tensor"),
        (Waits(), "a copy waits"),
        (Mixes(), "mixes devices"),
    ],
    ids=["reads", "moves", "waits", "mixes"],
)
def test_a_step_that_waits_is_seen(views, error):
    loop = pretext_loop(SimCLR(epochs=2, batch_size=BATCH, views=views))
    with pytest.raises(
        (RuntimeError, NotImplementedError, AssertionError), match=error
    ):
        take_steps(loop)
