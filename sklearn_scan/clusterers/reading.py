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

from sklearn_scan.clusterers.feature_arrays import (
    are_tables,
    holds_feature_arrays,
    stack_feature_arrays,
)
from sklearn_scan.core.mapped_rows import is_mapped
from sklearn_scan.core.rows import check_finite_rows
from sklearn_scan.encoders import Encoder, check_embedding, resolve_encoder
from sklearn_scan.exceptions import ImageReadError, UnreadableImage
from sklearn_scan.images import ImageSource, as_image_source, is_image_input

__all__ = ["Features", "ImageInputMixin", "image_names"]

Features = NDArray[np.float32]

# What X holds.
_IMAGES, _FEATURES, _SPACES = "images", "features", "a list of feature arrays"


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
    embedding_dims_: tuple[int, ...]
    bad_images_: list[UnreadableImage]
    _takes: str  # what X holds
    _float_range: float | None

    def _choose_encoder(self, X: Any, seed: int) -> Encoder | None:
        """Return a new encoder for X, or None where X is features."""
        self._takes = self._kind(X)
        if self._takes == _IMAGES:
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
        if self._has_encoder:
            raise ValueError(
                f"The encoder, {type(self.encoder).__name__}, embeds images, but X "
                f"({type(X).__name__}) is not an array of images (n, h, w) or "
                "(n, h, w, c), nor a list of files or PIL images, nor a Dataset. "
                "Numeric 2-D input is taken as features, with encoder='auto' only."
            )
        return None

    @property
    def _has_encoder(self) -> bool:
        return not (isinstance(self.encoder, str) and self.encoder == "auto")

    def _kind(self, X: Any) -> str:
        """Say what the X of a fit holds; with an encoder given, lists are of images."""
        if not self._has_encoder and holds_feature_arrays(X):
            return _SPACES
        return _IMAGES if is_image_input(X) else _FEATURES

    def _read(self, X: Any, *, reset: bool) -> Features | ImageSource:
        """Return X, checked, as images if there is an encoder and else as features."""
        self._check_kind(X)
        if self._takes == _SPACES:
            return self._read_spaces(X, reset=reset)
        if self._takes == _FEATURES:
            features = self._read_features(X, reset=reset)
            if reset:
                self.embedding_dims_ = (features.shape[1],)
            return features
        source = as_image_source(X, float_range=None if reset else self._float_range)
        if reset:
            # Another batch of floats must be read on the scale of these.
            self._float_range = source.float_range
        return source

    def _read_features(self, X: Any, *, reset: bool) -> Features:
        if is_mapped(X):  # in a file, where it stays: it may be larger than memory
            validate_data(self, X, reset=reset, skip_check_array=True)
            check_finite_rows("X", X)
            mapped: Features = X
            return mapped
        if isinstance(X, torch.Tensor):
            X = X.detach().cpu()
        # In fit a copy: what is kept must not change with the user's array.
        features: Features = validate_data(
            self, X, reset=reset, dtype=np.float32, order="C", copy=reset
        )
        return features

    def _check_kind(self, X: Any) -> None:
        """Raise if X is not of the kind that the fit is on."""
        if self._takes != _IMAGES and are_tables(X):
            came = _SPACES
        else:
            came = _IMAGES if is_image_input(X) else _FEATURES
        if came != self._takes:
            raise ValueError(
                f"This {type(self).__name__} was fitted on {self._takes}, but X holds "
                f"{came}: pass {self._takes} as for fit."
            )

    def _read_spaces(self, X: Any, *, reset: bool) -> Features:
        features, dims = stack_feature_arrays(
            X, None if reset else self.embedding_dims_
        )
        if reset:
            self.embedding_dims_ = dims
            self.n_features_in_ = sum(dims)
        return features

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
            embedded = self.encoder_.embed(data)
        except ImageReadError as error:
            if fit or self.bad_images == "raise":
                raise
            # None of them can be read: of a fit that is an error, of these a gap.
            warnings.warn(str(error), UserWarning, stacklevel=4)
            return np.full((len(data), self.embedding_.shape[1]), np.nan, np.float32)
        check_embedding(embedded)
        if fit:
            self.embedding_dims_ = embedded.features.dims
            self.bad_images_ = embedded.unreadable
        return embedded.features.array

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def image_names(data: Features | ImageSource) -> list[str] | None:
    """Return what each image is called, its path if it has one; None of features."""
    if not isinstance(data, ImageSource):
        return None
    return [data.name(i) for i in range(len(data))]
