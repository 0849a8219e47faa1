"""The SimCLR pretext: two views of an image are alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import torch
from torch import Tensor, nn

from sklearn_scan._device import (
    autocast,
    make_generator,
    resolve_device,
    resolve_precision,
    to_compute,
)
from sklearn_scan._validation import check_count, check_real, is_auto
from sklearn_scan.augment import ColorViews, GreyViews
from sklearn_scan.encoders import Preprocessing, check_features
from sklearn_scan.objectives import ContrastiveLoss
from sklearn_scan.pretext._base import Pretext
from sklearn_scan.pretext._networks import ProjectionHead
from sklearn_scan.training import ViewPairs, fit_loop

__all__ = ["SimCLR"]

# "auto" looks at about this many images in all, within these numbers of epochs.
_IMAGES_SEEN = 72_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 200


class SimCLR(Pretext):
    """Learn an encoder from unlabelled images by contrasting views of them.

    With no arguments it suits itself to the images: the network and the working size
    to their size, the epochs to their number, the views to whether they are grey. On
    two CPU cores, 1,797 images of 8 pixels take half a minute, and 500 images of 32
    pixels or more about 7 minutes; `epochs` and `image_size` trade time for quality.

    Parameters
    ----------
    backbone : "auto" or callable, default="auto"
        A function that returns a module from images (b, 3, h, w) to features
        (b, embed_dim). "auto" is a small convolutional network.
    image_size : int or "auto", default="auto"
        The side of the images trained on, in pixels. "auto" takes the shorter side of
        the first image, from 8 to 32.
    views : callable or "auto", default="auto"
        From a batch of images, float (b, c, h, w) in [0, 1] with c = 1 where all are
        grey, to a random view of each. "auto" takes `GreyViews` for grey images and
        `ColorViews` for coloured ones.
    epochs : int or "auto", default="auto"
        Passes over the images. "auto" looks at 72,000 images in 20 to 200 passes.
    batch_size : int, default=256
        Images a step; each is seen in two views.
    learning_rate : float, default=3e-3
        The peak of AdamW's one-cycle schedule.
    weight_decay : float, default=1e-4
        AdamW's.
    temperature : float, default=0.5
        Divides the similarities. Small batches of simple images want a high one; the
        SCAN paper takes 0.1 for CIFAR and STL at batch 512.
    projection_dim : int, default=64
        The size of the projections that are contrasted. The embedding is what comes
        before the projection.
    device : str or torch.device, default="auto"
        Where to train.
    precision : {"auto", "fp32", "bf16", "fp16"}, default="auto"
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
    .. [1] T. Chen et al., "A Simple Framework for Contrastive Learning of Visual
       Representations", ICML 2020, arXiv:2002.05709.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import SimCLR
    >>> images = load_digits_images().images[:100]
    >>> SimCLR(epochs=1, random_state=0).fit_transform(images).shape
    (100, 128)
    """

    def __init__(
        self,
        backbone: str | Callable[[], nn.Module] = "auto",
        *,
        image_size: int | str = "auto",
        views: str | Callable[[Tensor], Tensor] = "auto",
        epochs: int | str = "auto",
        batch_size: int = 256,
        learning_rate: float = 3e-3,
        weight_decay: float = 1e-4,
        temperature: float = 0.5,
        projection_dim: int = 64,
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
        self.views = views
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.temperature = temperature
        self.projection_dim = projection_dim
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
        if not is_auto("epochs", self.epochs):
            check_count("epochs", self.epochs)
        check_count("batch_size", self.batch_size, minimum=2)
        check_count("projection_dim", self.projection_dim)
        check_real("learning_rate", self.learning_rate, minimum=0, boundaries="neither")
        check_real("weight_decay", self.weight_decay, minimum=0)
        check_real("temperature", self.temperature, minimum=0, boundaries="neither")
        if not (self.views == "auto" or callable(self.views)):
            raise TypeError(
                f"views must be 'auto' or a function of a batch; got {self.views!r}."
            )

    def _train(
        self,
        backbone: nn.Module,
        images: Tensor,
        preprocessing: Preprocessing,
        seed: int,
    ) -> list[dict[str, float | str]]:
        device = resolve_device(self.device)
        backbone = to_compute(backbone, device)
        images = images.to(device)
        view = self._make_view(images.shape[1], preprocessing, seed, device)
        with torch.no_grad():
            features = backbone.eval()(view(images[:2]))
        embed_dim = check_features(features, len(images[:2])).shape[1]
        module = nn.Sequential(
            backbone, ProjectionHead(embed_dim, self.projection_dim).to(device)
        )
        pairs = ViewPairs(
            images,
            self.batch_size,
            generator=make_generator(seed),
            anchor_view=view,
            partner_view=view,
        )
        n_epochs = self._choose_epochs(len(images))
        optimizer = torch.optim.AdamW(
            module.parameters(), self.learning_rate, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            self.learning_rate,
            # of ten steps the tenth is a warm-up of none, by which torch divides
            total_steps=max(n_epochs * len(pairs), 11),
            pct_start=0.1,
        )
        return fit_loop(
            module,
            ContrastiveLoss(self.temperature),
            pairs,
            optimizer,
            n_epochs=n_epochs,
            scheduler=schedule,
            autocast=autocast(device, resolve_precision(self.precision, device)),
            stage="SimCLR",
            verbose=self.verbose,
        )

    def _choose_epochs(self, n_images: int) -> int:
        if not isinstance(self.epochs, str):
            return int(self.epochs)
        return min(max(round(_IMAGES_SEEN / n_images), _FEWEST_EPOCHS), _MOST_EPOCHS)

    def _make_view(
        self,
        n_channels: int,
        preprocessing: Preprocessing,
        seed: int,
        device: torch.device,
    ) -> Callable[[Tensor], Tensor]:
        """Return the function from stored images to normalised views (b, 3, h, w)."""
        augment: Callable[[Tensor], Tensor]
        if not isinstance(self.views, str):
            augment = self.views
        else:
            views = GreyViews if n_channels == 1 else ColorViews
            augment = views(make_generator(seed, device))

        def view(images: Tensor) -> Tensor:
            augmented = augment(images.float() / 255)
            if len(augmented) != len(images):
                raise ValueError(
                    f"views must return one view of each image; it returned "
                    f"{len(augmented)} for {len(images)} images."
                )
            return preprocessing.standardize(augmented.expand(-1, 3, -1, -1))

        return view
