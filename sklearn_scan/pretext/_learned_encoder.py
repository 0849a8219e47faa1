"""encoder="learn": a pretext, chosen by the images and the device."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn
from tqdm.auto import tqdm

from sklearn_scan.core.device import resolve_device
from sklearn_scan.core.durations import describe_roughly
from sklearn_scan.images import as_image_source
from sklearn_scan.images.augment import default_views
from sklearn_scan.pretext._base import Pretext
from sklearn_scan.pretext._docs import pretext_docs
from sklearn_scan.pretext._encoder_maker import EncoderMaker, LongFit
from sklearn_scan.pretext._images import LARGEST_SIZE, ImageKind, limit_size, look_at
from sklearn_scan.pretext._simclr import SimCLR
from sklearn_scan.training.pace import Plan

_NAME = "learn"

# On the CPU: the images of 32 pixels to look at in all passes, of smaller ones in
# proportion to their area fewer; the passes, and the most images to look at. With
# AdamW, coil20 had an accuracy of 80 % after 50 passes, and 100 % after 300. With Muon,
# SCAN on 10,000 images of CIFAR had 41 % after 45 passes, and 46 % after 100; 80 of
# these and SCAN take about a quarter of an hour on two cores.
_CPU_IMAGES_SEEN, _CPU_EPOCHS, _CPU_MOST_SEEN = 800_000, (40, 300), 2_500_000
# On a GPU: the sides to train on, the images to look at in all passes, and the passes.
_GPU_SIZES = (32, 96)
_GPU_IMAGES_SEEN, _GPU_EPOCHS = 10_000_000, (200, 800)


def choose_pretext(
    n_images: int, side: int, is_grey: bool, device_type: str
) -> Pretext:
    """Return the pretext that suits images and a device.

    Parameters
    ----------
    n_images : int
        The number of images.
    side : int
        Their shorter side, in pixels.
    is_grey : bool
        Whether all are grey.
    device_type : str
        Where to train, such as "cpu" or "cuda".

    Returns
    -------
    Pretext
        A new one, with its network, image size, views and epochs.

    Examples
    --------
    >>> pretext = choose_pretext(10_000, side=32, is_grey=False, device_type="cuda")
    >>> pretext.backbone, pretext.image_size, pretext.epochs
    ('resnet18', 32, 800)
    """
    views = default_views(1 if is_grey else 3)
    if device_type != "cuda":
        size = limit_size(side)
        epochs = _count_epochs(n_images, size)
        return SimCLR(image_size=size, views=views, epochs=epochs)
    # as the SCAN paper trains, on CIFAR of 32 pixels and STL of 96
    return SimCLR(
        "resnet18",
        image_size=_within(side, _GPU_SIZES),
        views=views,
        epochs=_within(_GPU_IMAGES_SEEN / n_images, _GPU_EPOCHS),
        batch_size=512,
        optimizer="sgd",
        temperature=0.1,
        projection_dim=128,
    )


def _count_epochs(n_images: int, side: int) -> int:
    """Return the passes over images of a side on the CPU, which takes some minutes."""
    seen = _CPU_IMAGES_SEEN * (side / LARGEST_SIZE) ** 2
    epochs = _within(seen / n_images, _CPU_EPOCHS)
    return max(1, min(epochs, _CPU_MOST_SEEN // n_images))


def _within(value: float, limits: tuple[int, int]) -> int:
    least, most = limits
    return min(max(round(value), least), most)


@pretext_docs
@dataclass(eq=False, repr=False)
class LearnedEncoder(LongFit, EncoderMaker):
    """Learn an encoder from unlabelled images, without having to choose how.

    This is what `encoder="learn"` means. It looks at the number, the size and the
    colour of the images and at the device, and chooses the pretext, the network, the
    image size, the views and the epochs. Before the training it writes one line to
    stderr, with what it chose and how long it will take; so a few steps are timed
    first. It pays for the same images as `SimCLR`.

    Parameters
    ----------
    max_minutes : float or None, default=None
        A budget for the training of the encoder, in minutes. As for `SimCLR`, there are
        as many passes over the images as fit into it, but at most
        {MOST_EPOCHS_IN_BUDGET}. None is as many as suit the images and the device.
    device, precision, memory, bad_images, max_pixels, n_jobs, random_state, verbose
        As for `SimCLR`.
    checkpoint : path, default=None
        A folder that keeps the training, as for `SimCLR`.

    Attributes
    ----------
    pretext_ : Pretext
        The fitted pretext: what was chosen, and the history of its training.
    encoder_ : ImageEncoder
        The trained encoder, which can be used and saved on its own.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import LearnedEncoder
    >>> images = load_digits_images().images[:50]
    >>> encoder = LearnedEncoder(max_minutes=0.1, device="cpu", random_state=0)
    >>> encoder.fit_transform(images).shape
    (50, 128)
    >>> encoder.pretext_.image_size
    8
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Choose a pretext, and train it on images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.
        y : ignored
            Part of scikit-learn's interface.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter is wrong, X holds fewer than two images, or `max_minutes` is
            too short for one pass over them.
        ImageReadError, DivergenceError, CheckpointError, OutOfMemoryError, DeviceError
            As `SimCLR.fit` does.
        """
        self.check()
        source = as_image_source(X, max_pixels=self.max_pixels)
        kind, device = look_at(source), resolve_device(self.device)
        pretext = choose_pretext(len(source), kind.side, kind.is_grey, device.type)
        pretext.set_params(**self.get_params(deep=False))
        if self.max_minutes is not None:  # which says how many
            pretext.set_params(epochs="auto")

        def announce(plan: Plan) -> None:
            line = _describe(pretext, len(source), kind, plan, device)
            tqdm.write(line, file=sys.stderr)

        self.pretext_ = pretext.fit_announced(source, announce)
        self.encoder_, self._float_range = pretext.encoder_, source.float_range
        return self

    def fit_with_folder(self, X: Any, folder: Path) -> Self:
        """Fit; what is learnt is kept in a folder, unless it is kept elsewhere."""
        super().fit_with_folder(X, folder)
        self.pretext_.checkpoint = self.checkpoint
        return self

    def with_trained(self, module: nn.Module) -> Self:
        """Return a copy that uses a backbone trained further; see `Encoder`."""
        trained = super().with_trained(module)
        trained.pretext_ = self.pretext_.with_trained(module)
        trained.encoder_ = trained.pretext_.encoder_
        return trained


def _describe(
    pretext: Pretext, n_images: int, kind: ImageKind, plan: Plan, device: torch.device
) -> str:
    """Return what will be done, and how long it will take."""
    colour = "grey" if kind.is_grey else "colour"
    passes = "1 pass" if plan.n_epochs == 1 else f"{plan.n_epochs} passes"
    return (
        f"Learning an encoder from {n_images:,} {colour} images of "
        f"{pretext.image_size} pixels: {type(pretext).__name__}, network "
        f"{pretext.backbone!r}, {passes}, about {describe_roughly(plan.seconds)} on "
        f"{device}."
    )


def with_learned(encoder: Any) -> Any:
    """Return an encoder, or a list of these, with `LearnedEncoder()` for "learn"."""
    if isinstance(encoder, list | tuple):
        return [LearnedEncoder() if _is_learn(each) else each for each in encoder]
    return LearnedEncoder() if _is_learn(encoder) else encoder


def _is_learn(encoder: Any) -> bool:
    return isinstance(encoder, str) and encoder == _NAME
