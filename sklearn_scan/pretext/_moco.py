"""The MoCo pretext: a view is like its image among a queue of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import torch
from torch import Tensor

from sklearn_scan._validation import check_count, check_real
from sklearn_scan.objectives import QueueLoss
from sklearn_scan.pretext._backbones import Backbone
from sklearn_scan.pretext._base import Material, Task
from sklearn_scan.pretext._networks import MomentumPair, ProjectionHead
from sklearn_scan.pretext._views import ViewPretext
from sklearn_scan.training import ViewPairs

__all__ = ["MoCo"]


class MoCo(ViewPretext):
    """Learn an encoder from unlabelled images against a queue of past ones.

    As SimCLR, but what a view is told apart from is a queue of the views of past
    batches, so batches may be small. They are embedded by a moving average of the
    network, which also averages the statistics of batch norms: with these the keys of
    a batch do not give each other away, and need not be shuffled between devices [2]_.

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
    temperature : float, default=0.2
        Divides the similarities.
    projection_dim : int, default=128
        The size of the projections that are compared. The embedding is what comes
        before the projection.
    queue_size : int, default=4096
        How many past views there are to tell a view from; at most half the images, so
        that few of them are of the same image.
    momentum : float in [0, 1), default=0.99
        The share of itself that the moving average keeps at every step; 0.999 in the
        paper, where there are some hundred thousand steps.
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
    .. [1] K. He et al., "Momentum Contrast for Unsupervised Visual Representation
       Learning", CVPR 2020, arXiv:1911.05722; with the projection of X. Chen et al.,
       "Improved Baselines with Momentum Contrastive Learning", arXiv:2003.04297.
    .. [2] Z. Cai et al., "Exponential Moving Average Normalization for
       Self-supervised and Semi-supervised Learning", CVPR 2021, arXiv:2101.08482.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import MoCo
    >>> images = load_digits_images().images[:100]
    >>> MoCo(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    _name = "MoCo"

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
        temperature: float = 0.2,
        projection_dim: int = 128,
        queue_size: int = 4096,
        momentum: float = 0.99,
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
        self.queue_size = queue_size
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
        check_count("queue_size", self.queue_size)
        check_real("temperature", self.temperature, minimum=0, boundaries="neither")
        check_real("momentum", self.momentum, minimum=0, maximum=1, boundaries="left")

    def _task(self, material: Material) -> Task:
        head = ProjectionHead(material.embed_dim, self.projection_dim)
        pairs = ViewPairs(
            material.images,
            self.batch_size,
            generator=material.generator,
            anchor_view=material.view,
            partner_view=material.view,
            device=material.device,
        )
        queue = QueueLoss(
            self.projection_dim,
            min(self.queue_size, max(len(material.images) // 2, 1)),
            self.temperature,
            generator=material.generator,
        )
        return Task(MomentumPair(material.backbone, head, self.momentum), queue, pairs)
