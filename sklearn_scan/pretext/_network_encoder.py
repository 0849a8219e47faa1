"""An encoder that is a network of its own, made for the images that it is fitted to."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from sklearn_scan.core.random import RandomState
from sklearn_scan.core.validation import (
    auto_or,
    check_parameters,
    check_seed,
    checked,
    count,
    option,
)
from sklearn_scan.encoders import (
    Embedded,
    Encoder,
    ImageEncoder,
    Preprocessing,
    Trainable,
    check_settings,
)
from sklearn_scan.images import MAX_PIXELS, ImageSource, as_image_source
from sklearn_scan.pretext._backbones import STEMS, Backbone, check_backbone
from sklearn_scan.pretext._images import automatic_size, measure, read_images


class TrainingImages(NamedTuple):
    """What `fit` reads.

    Attributes
    ----------
    images : Tensor of uint8, shape (n, c, size, size)
        The readable images, with c = 1 where all are grey.
    preprocessing : Preprocessing
        How they are normalised: by their own statistics.
    float_range : float or None
        The white of float images; another batch must be read on this scale.
    """

    images: Tensor
    preprocessing: Preprocessing
    float_range: float | None


class _Fitted(Encoder):
    """What `fit` sets; in a dataclass these would be parameters."""

    encoder_: ImageEncoder
    _float_range: float | None


# With eq and repr, scikit-learn's own would be lost.
@dataclass(eq=False, repr=False)
class NetworkEncoder(_Fitted, ABC):
    """The base class of encoders that make a network for the images in `fit`.

    A subclass writes `fit`, which sets `encoder_` and `_float_range`.
    """

    is_trainable: ClassVar[bool] = True
    learns_from_images: ClassVar[bool] = True

    backbone: Backbone = "auto"
    _: KW_ONLY
    image_size: int | str = checked("auto", auto_or(count()))
    stem: str = checked("auto", option(STEMS))
    device: str | torch.device = "auto"
    precision: str = "auto"
    memory: str | Path | joblib.Memory | None = None
    bad_images: str = "raise"
    max_pixels: int | None = MAX_PIXELS
    n_jobs: int | None = None
    random_state: RandomState = checked(None, check_seed)
    verbose: int = 0

    def check(self) -> None:
        """Raise if a parameter is wrong, before any long work.

        Raises
        ------
        TypeError, ValueError
            Naming the parameter, what was expected and what came.
        """
        check_backbone(self.backbone)
        check_parameters(self)
        if self.precision == "fp16":
            raise ValueError(
                "precision must be 'auto', 'fp32' or 'bf16' to train in: gradients "
                "vanish in fp16."
            )
        check_settings(self)

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Make the network for images, and train it."""

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
        source = as_image_source(
            X, float_range=self._float_range, max_pixels=self.max_pixels
        )
        return self.embed(source).features.array

    def embed(self, source: ImageSource, rows: slice | None = None) -> Embedded:
        """Embed the images of a source, or some rows of it; see `Encoder.embed`."""
        check_is_fitted(self)
        return self.encoder_.embed(source, rows)

    def embed_with_folder(self, source: ImageSource, folder: Path) -> Embedded:
        """Embed all images; rows are kept in a folder as they are made."""
        check_is_fitted(self)
        return self.encoder_.embed_with_folder(source, folder)

    def for_training(self) -> Trainable:
        """Return a copy of the trained backbone, and its preprocessing."""
        check_is_fitted(self)
        return self.encoder_.for_training()

    def with_trained(self, module: nn.Module) -> Self:
        """Return a copy that uses a backbone trained further; see `Encoder`."""
        check_is_fitted(self)
        trained = copy.copy(self)
        trained.encoder_ = self.encoder_.with_trained(module)
        return trained

    def networks(self) -> list[Trainable]:
        """Return the trained backbone and its preprocessing."""
        check_is_fitted(self)
        return self.encoder_.networks()

    @property
    def _n_features_out(self) -> int:
        return len(self.encoder_.get_feature_names_out())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "encoder_")

    def _read(self, X: Any) -> TrainingImages:
        """Read the images to make the network for, at the size that it takes."""
        source = as_image_source(X, max_pixels=self.max_pixels)
        size = self._choose_size(source)
        images = read_images(source, size, self.bad_images, self.n_jobs)
        return TrainingImages(images, measure(images, size), source.float_range)

    def _choose_size(self, source: ImageSource) -> int:
        if not isinstance(self.image_size, str):
            return int(self.image_size)
        return automatic_size(source)

    def _as_encoder(
        self, backbone: nn.Module, preprocessing: Preprocessing
    ) -> ImageEncoder:
        """Return the encoder that uses a trained backbone."""
        return ImageEncoder(
            backbone.cpu(),
            # all of it: a timm network would be for images prepared in its own way
            input_size=preprocessing.input_size,
            crop_pct=preprocessing.crop_pct,
            interpolation=preprocessing.interpolation,
            mean=preprocessing.mean,
            std=preprocessing.std,
            device=self.device,
            precision=self.precision,
            memory=self.memory,
            bad_images=self.bad_images,
            max_pixels=self.max_pixels,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        ).fit()
