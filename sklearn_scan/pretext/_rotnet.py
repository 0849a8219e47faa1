"""The RotNet pretext: by how many quarter turns an image is turned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import torch
from torch import Tensor, nn

from sklearn_scan.objectives import RotationLoss
from sklearn_scan.pretext._backbones import Backbone
from sklearn_scan.pretext._base import Material, Pretext, Task
from sklearn_scan.pretext._networks import LinearProjection
from sklearn_scan.training import SingleViews

__all__ = ["RotNet"]

N_TURNS = 4


class RotNet(Pretext):
    """Learn an encoder by predicting by how many quarter turns images are turned.

    A pretext of another kind: nothing asks views of an image to be alike. The SCAN
    paper has it to show that this matters (table 2); `SimCLR` is the better choice.

    Parameters
    ----------
    backbone : "auto", str or callable, default="auto"
        The name of a timm model, which is trained from nothing; or a function that
        returns a module from images (b, 3, h, w) to features (b, embed_dim). "auto" is
        a small convolutional network; the SCAN paper trains "resnet18".
    image_size : int or "auto", default="auto"
        The side of the images trained on, in pixels. "auto" takes the shorter side of
        the first image, from 8 to 32.
    stem : {"auto", "small", "standard"}, default="auto"
        The first layers of a timm model. "small" keeps the resolution, by a first
        convolution of 3 x 3 and stride 1 and, up to 32 pixels, no max-pooling (in a
        transformer, by 8 x 8 patches); "auto" takes it for images up to 64 pixels.
    epochs : int or "auto", default="auto"
        Passes over the images. "auto" looks at 72,000 images in 20 to 200 passes.
    batch_size : int, default=256
        Images a step.
    optimizer : {"adamw", "sgd"}, default="adamw"
        AdamW on a one-cycle schedule, the better for short training; or the papers'
        SGD with momentum 0.9 and a cosine schedule, for hundreds of epochs.
    learning_rate : float or "auto", default="auto"
        The peak. "auto" is 3e-3 for AdamW and, for SGD, 0.4 at batches of 512, in
        proportion to them.
    weight_decay : float, default=1e-4
        The optimiser's.
    compile : bool, default=False
        Whether `torch.compile` makes the network's code: a minute's work, which long
        training on a GPU repays.
    device : str or torch.device, default="auto"
        Where to train.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        The backbone's number format; "auto" takes bf16 where the hardware has it.
    memory : path or joblib.Memory, default=None
        A folder that keeps embeddings, as for `ImageEncoder`. The training itself is
        not kept.
    bad_images : {"raise", "skip"}, default="raise"
        What to do about images that cannot be read: raise an error that lists all of
        them, or warn and learn without them and leave NaN in their rows.
    n_jobs : int, default=None
        Threads that read images; None or -1 takes one per core.
    random_state : int, RandomState or None, default=None
        Seeds everything drawn.
    verbose : int, default=0
        Above zero, shows progress bars.

    Attributes
    ----------
    encoder_ : ImageEncoder
        The trained encoder, which can be used and saved on its own.
    history_ : list of dict
        The loss of each epoch.

    References
    ----------
    .. [1] S. Gidaris, P. Singh, N. Komodakis, "Unsupervised Representation Learning by
       Predicting Image Rotations", ICLR 2018, arXiv:1803.07728.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import RotNet
    >>> images = load_digits_images().images[:100]
    >>> RotNet(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name = "RotNet"

    def __init__(
        self,
        backbone: Backbone = "auto",
        *,
        image_size: int | str = "auto",
        stem: str = "auto",
        epochs: int | str = "auto",
        batch_size: int = 256,
        optimizer: str = "adamw",
        learning_rate: float | str = "auto",
        weight_decay: float = 1e-4,
        compile: bool = False,
        device: str | torch.device = "auto",
        precision: str = "auto",
        memory: str | Path | joblib.Memory | None = None,
        bad_images: str = "raise",
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.backbone = backbone
        self.image_size = image_size
        self.stem = stem
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.compile = compile
        self.device = device
        self.precision = precision
        self.memory = memory
        self.bad_images = bad_images
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _augment(self, n_channels: int) -> Callable[[Tensor], Tensor] | None:
        return None

    def _task(self, material: Material) -> Task:
        head = LinearProjection(material.embed_dim, N_TURNS)
        views = SingleViews(
            material.images,
            self.batch_size,
            generator=material.generator,
            view=lambda images: _turn(material.view(images)),
            device=material.device,
        )
        return Task(nn.Sequential(material.backbone, head), RotationLoss(), views)


def _turn(views: Tensor) -> Tensor:
    """Return views (b, c, h, w) turned 0, 1, 2 and 3 times, (4 b, c, h, w)."""
    turned = [torch.rot90(views, turns, dims=(2, 3)) for turns in range(N_TURNS)]
    return torch.cat(turned).contiguous(memory_format=torch.channels_last)
