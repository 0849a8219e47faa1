"""An encoder whose fit makes an `ImageEncoder`, which then embeds."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_scan.core.random import RandomState
from sklearn_scan.core.validation import (
    check_folder,
    check_parameters,
    check_seed,
    checked,
    none_or,
    real,
)
from sklearn_scan.encoders import (
    Embedded,
    Encoder,
    ImageEncoder,
    Trainable,
    check_settings,
)
from sklearn_scan.images import MAX_PIXELS, ImageSource, as_image_source


class _Fitted(Encoder):
    """What `fit` sets; in a dataclass these would be parameters."""

    encoder_: ImageEncoder
    _float_range: float | None


# With eq and repr, scikit-learn's own would be lost.
@dataclass(eq=False, repr=False)
class EncoderMaker(_Fitted, ABC):
    """The base class of encoders whose `fit` makes an `ImageEncoder`.

    A subclass writes `fit`, which sets `encoder_` and `_float_range`.
    """

    is_trainable: ClassVar[bool] = True
    learns_from_images: ClassVar[bool] = True

    _: KW_ONLY
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
        check_parameters(self)
        if self.precision == "fp16":
            raise ValueError(
                "precision must be 'auto', 'fp32' or 'bf16' to train in: gradients "
                "vanish in fp16."
            )
        check_settings(self)

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Make the encoder for images."""

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


@dataclass(eq=False, repr=False)
class LongFit(Encoder):
    """What encoders have whose fit takes long: a budget of time, and a checkpoint."""

    _: KW_ONLY
    max_minutes: float | None = checked(None, none_or(real(0, None, "neither")))
    checkpoint: str | Path | None = checked(None, check_folder)

    def fit_with_folder(self, X: Any, folder: Path) -> Self:
        """Fit; what is learnt is kept in a folder, unless it is kept elsewhere."""
        own = self.checkpoint
        self.checkpoint = folder if own is None else own
        try:
            self.fit(X)
        finally:
            self.checkpoint = own
        return self
