"""What every pretext task is: an encoder that learns from the images themselves."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklearn_scan._device import (
    isolated_rng,
    resolve_device,
)
from sklearn_scan._validation import check_count, is_auto
from sklearn_scan.encoders import (
    Encoder,
    ImageEncoder,
    Preprocessing,
    build_backbone,
    check_settings,
)
from sklearn_scan.exceptions import ImageReadError, UnreadableImage
from sklearn_scan.images import (
    BadImages,
    ImageSource,
    SquareCrop,
    as_image_source,
    load_batches,
)
from sklearn_scan.pretext._networks import SmallConvNet

# Side of the images trained on, when the user does not choose it. Above it the time
# grows with the area and the small network gains little.
_LARGEST_SIZE = 32
_SMALLEST_SIZE = 8
_LOADING_BATCH = 256


class Pretext(Encoder):
    """An encoder trained by a task made from unlabelled images.

    A subclass has the parameters used here (backbone, image_size, device, precision,
    memory, bad_images, n_jobs, random_state, verbose) and writes `_train`.
    """

    backbone: Any
    image_size: int | str
    device: str | torch.device
    precision: str
    memory: Any
    bad_images: str
    n_jobs: int | None
    random_state: Any
    verbose: int

    @abstractmethod
    def _train(
        self,
        backbone: nn.Module,
        images: Tensor,
        preprocessing: Preprocessing,
        seed: int,
    ) -> list[dict[str, float | str]]:
        """Train `backbone` in place; return the history.

        Parameters
        ----------
        backbone : nn.Module
            From normalised images (b, 3, h, w) to features (b, embed_dim).
        images : Tensor of uint8, shape (n, c, h, w)
            With c = 1 where all images are grey.
        preprocessing : Preprocessing
            How the backbone's images are normalised.
        seed : int
            For all that is drawn.
        """

    def check(self) -> None:
        """Raise if a parameter is wrong, before any long work."""
        if not is_auto("image_size", self.image_size):
            check_count("image_size", self.image_size)
        is_factory = callable(self.backbone) and not isinstance(
            self.backbone, nn.Module
        )
        if not (is_factory or self.backbone == "auto"):
            raise TypeError(
                "backbone must be 'auto' or a function that returns an nn.Module; got "
                f"{self.backbone!r}."
            )
        if self.precision == "fp16":
            raise ValueError(
                "precision must be 'auto', 'fp32' or 'bf16' to train in: gradients "
                "vanish in fp16."
            )
        check_settings(self)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the encoder on images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.
        y : ignored
            Here for scikit-learn's sake.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter is wrong, or X holds fewer than two images.
        ImageReadError
            If images cannot be read and `bad_images` is "raise"; lists all of them.

        Warns
        -----
        UserWarning
            With their number, if images cannot be read and `bad_images` is "skip".
        """
        self.check()
        source = as_image_source(X)
        seed = int(check_random_state(self.random_state).randint(2**31))
        size = self._choose_size(source)
        images = _load_images(source, size, BadImages(self.bad_images), self.n_jobs)
        if len(images) < 2:
            raise ValueError(
                f"X holds {len(images)} image, while a minimum of 2 is required to "
                "tell images apart."
            )
        preprocessing = _measure(images, size)
        with isolated_rng(seed, resolve_device(self.device)):
            backbone = (
                SmallConvNet(size)
                if self.backbone == "auto"
                else build_backbone(self.backbone)
            )
            self.history_ = self._train(backbone, images, preprocessing, seed)
        # Another batch of floats must be read on the scale of these.
        self._float_range = source.float_range
        self.encoder_ = ImageEncoder(
            backbone.cpu(),
            input_size=size,
            mean=preprocessing.mean,
            std=preprocessing.std,
            device=self.device,
            precision=self.precision,
            memory=self.memory,
            bad_images=self.bad_images,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        ).fit()
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images with the trained backbone.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
        """
        check_is_fitted(self)
        source = as_image_source(X, float_range=self._float_range)
        return self.encoder_.transform(source)

    @property
    def bad_images_(self) -> list[UnreadableImage]:  # type: ignore[override]
        """The images the last `transform` could not read: (row, path, reason)."""
        return self.encoder_.bad_images_ if hasattr(self, "encoder_") else []

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    def _choose_size(self, source: ImageSource) -> int:
        if not isinstance(self.image_size, str):
            return int(self.image_size)
        for i in range(len(source)):
            try:
                shorter_side = min(source[i].shape[:2])
            except ImageReadError:
                continue  # that of the first image which can be read counts
            return min(max(shorter_side, _SMALLEST_SIZE), _LARGEST_SIZE)
        return _SMALLEST_SIZE


def _load_images(
    source: ImageSource, size: int, bad_images: BadImages, n_jobs: int | None
) -> Tensor:
    """Return all readable images at the working size, uint8 (n, c, size, size)."""
    images = np.empty((len(source), size, size, 3), dtype=np.uint8)
    batches = load_batches(
        source,
        SquareCrop(size),
        range(len(source)),
        bad_images,
        batch_size=_LOADING_BATCH,
        n_jobs=n_jobs,
    )
    n_read = 0
    for _, batch in batches:
        images[n_read : n_read + len(batch)] = batch
        n_read += len(batch)
    bad_images.settle(len(source))
    images = images[:n_read]
    grey = (images == images[..., :1]).all()
    return torch.from_numpy(images[..., :1] if grey else images).permute(0, 3, 1, 2)


def _measure(images: Tensor, size: int) -> Preprocessing:
    """Return the preprocessing with the images' own mean and deviation."""
    counts = torch.stack(
        [torch.bincount(c.flatten(), minlength=256) for c in images.unbind(1)]
    ).double()  # (c, 256): exact, in the memory of a histogram
    levels = torch.linspace(0, 1, 256, dtype=torch.float64)
    share = counts / counts.sum(dim=1, keepdim=True)
    mean = share @ levels
    std = (share @ levels**2 - mean**2).clamp_min(0).sqrt().clamp_min(1 / 255)
    return Preprocessing(
        size, tuple(mean.expand(3).tolist()), tuple(std.expand(3).tolist())
    )
