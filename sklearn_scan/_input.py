"""What X is: images, which an encoder embeds, or features as they are."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from sklearn_scan.encoders import Encoder, resolve_encoder
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import ImageSource, as_image_source, is_image_input

__all__ = ["Features", "ImageInputMixin"]

Features = NDArray[np.float32]


class ImageInputMixin:
    """The reading and embedding of X, for an estimator with the parameters below."""

    encoder: Any
    device: str | torch.device
    precision: str
    memory: str | Path | joblib.Memory | None
    bad_images: str
    n_jobs: int | None
    verbose: int

    encoder_: Encoder | None
    embedding_: Features
    _float_range: float | None

    def _choose_encoder(self, X: Any, seed: int) -> Encoder | None:
        """Return a new encoder for X, or None where X is features."""
        if is_image_input(X):
            return resolve_encoder(
                self.encoder,
                device=self.device,
                precision=self.precision,
                memory=self.memory,
                bad_images=self.bad_images,
                n_jobs=self.n_jobs,
                random_state=seed,
                verbose=self.verbose,
            )
        if not (isinstance(self.encoder, str) and self.encoder == "auto"):
            raise ValueError(
                f"The encoder, {type(self.encoder).__name__}, embeds images, but X "
                f"({type(X).__name__}) is not an array of images (n, h, w) or "
                "(n, h, w, c), nor a list of files or PIL images, nor a Dataset. "
                "Numeric 2-D input is taken as features, with encoder='auto' only."
            )
        return None

    def _read(self, X: Any, *, reset: bool) -> Features | ImageSource:
        """Return X, checked, as images if there is an encoder and else as features."""
        takes_images = self.encoder_ is not None
        if takes_images != is_image_input(X):
            fitted_on, came = ("images", "features")[:: 1 if takes_images else -1]
            raise ValueError(
                f"This {type(self).__name__} was fitted on {fitted_on}, but X holds "
                f"{came}: pass {fitted_on} as for fit."
            )
        if not takes_images:
            if isinstance(X, torch.Tensor):
                X = X.detach().cpu()
            # In fit a copy: what is kept must not change with the user's array.
            features: Features = validate_data(
                self, X, reset=reset, dtype=np.float32, order="C", copy=reset
            )
            return features
        source = as_image_source(X, float_range=None if reset else self._float_range)
        if reset:
            # Another batch of floats must be read on the scale of these.
            self._float_range = source.float_range
        return source

    def _embed(self, data: Features | ImageSource, *, fit: bool = False) -> Features:
        """Return the embedding of images; features stay as they are.

        Rows of NaN are those of images that could not be read and are to be skipped.
        """
        if not isinstance(data, ImageSource):
            return data
        assert self.encoder_ is not None  # for mypy: _read returned images
        if fit:
            self.encoder_.fit(data)
        try:
            embedding = self.encoder_.transform(data)
        except ImageReadError as error:
            if fit or self.bad_images == "raise":
                raise
            # None of them can be read: of a fit that is an error, of these a gap.
            warnings.warn(str(error), UserWarning, stacklevel=4)
            return np.full((len(data), self.embedding_.shape[1]), np.nan, np.float32)
        n_unusable = int((~np.isfinite(embedding).all(axis=1)).sum())
        n_unusable -= len(self.encoder_.bad_images_)
        if n_unusable:
            raise ValueError(
                f"The encoder returned NaN or infinity for {n_unusable} of "
                f"{len(data)} images. Check its weights, and try precision='fp32'."
            )
        return embedding

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
