"""The instance discrimination pretext: every image is a class of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import torch
from torch import Tensor, nn

from sklearn_scan._validation import check_count, check_real
from sklearn_scan.objectives import MemoryBankLoss
from sklearn_scan.pretext._backbones import Backbone
from sklearn_scan.pretext._base import Material, Task
from sklearn_scan.pretext._networks import LinearProjection
from sklearn_scan.pretext._views import ViewPretext
from sklearn_scan.training import SingleViews

__all__ = ["InstanceDiscrimination"]


class InstanceDiscrimination(ViewPretext):
    """Learn an encoder by telling every image from all others.

    Each image has a place in a memory bank, the running mean of its projections. A
    view is to be told from noise, by noise-contrastive estimation: the place of its
    image from places drawn at random.

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
    views : callable or "auto", default="auto"
        From a batch of images, float (b, c, h, w) in [0, 1] with c = 1 where all are
        grey, to a random view of each. "auto" takes `GreyViews` for grey images and
        `ColorViews` for coloured ones. What draws from torch's global state is
        seeded by `random_state`.
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
    temperature : float, default=0.1
        Divides the similarities; the paper has 0.07.
    projection_dim : int, default=128
        The size of the projections that are compared. The embedding is what comes
        before the projection.
    n_negatives : int, default=4096
        How many places are drawn for a batch; at most as many as there are images.
    momentum : float in [0, 1), default=0.5
        The share of itself that a place keeps when its image is seen.
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
    .. [1] Z. Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance
       Discrimination", CVPR 2018, arXiv:1805.01978.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import InstanceDiscrimination
    >>> images = load_digits_images().images[:100]
    >>> InstanceDiscrimination(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name = "InstanceDiscrimination"

    def __init__(
        self,
        backbone: Backbone = "auto",
        *,
        image_size: int | str = "auto",
        stem: str = "auto",
        views: str | Callable[[Tensor], Tensor] = "auto",
        epochs: int | str = "auto",
        batch_size: int = 256,
        optimizer: str = "adamw",
        learning_rate: float | str = "auto",
        weight_decay: float = 1e-4,
        temperature: float = 0.1,
        projection_dim: int = 128,
        n_negatives: int = 4096,
        momentum: float = 0.5,
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
        self.views = views
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.temperature = temperature
        self.projection_dim = projection_dim
        self.n_negatives = n_negatives
        self.momentum = momentum
        self.compile = compile
        self.device = device
        self.precision = precision
        self.memory = memory
        self.bad_images = bad_images
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def check(self) -> None:
        """Raise if a parameter is wrong, before any long work.

        Raises
        ------
        TypeError, ValueError
            Naming the parameter, what was expected and what came.
        """
        super().check()
        check_count("projection_dim", self.projection_dim)
        check_count("n_negatives", self.n_negatives)
        check_real("temperature", self.temperature, minimum=0, boundaries="neither")
        check_real("momentum", self.momentum, minimum=0, maximum=1, boundaries="left")

    def _task(self, material: Material) -> Task:
        head = LinearProjection(material.embed_dim, self.projection_dim)
        views = SingleViews(
            material.images,
            self.batch_size,
            generator=material.generator,
            view=material.view,
            device=material.device,
        )
        bank = MemoryBankLoss(
            len(material.images),
            self.projection_dim,
            n_negatives=min(self.n_negatives, len(material.images)),
            temperature=self.temperature,
            momentum=self.momentum,
            generator=material.generator,
        )
        return Task(nn.Sequential(material.backbone, head), bank, views)
