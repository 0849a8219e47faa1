"""From X to features: what X is, and the encoder that embeds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data
from torch import nn

from sklearn_scan.clusterers.feature_arrays import (
    are_tables,
    holds_feature_arrays,
    stack_feature_arrays,
)
from sklearn_scan.clusterers.parameters import ReadingParameters
from sklearn_scan.core.features import Features, to_numpy
from sklearn_scan.core.mapped_rows import is_mapped
from sklearn_scan.core.rows import check_finite_rows, naming_array
from sklearn_scan.core.warn import warn
from sklearn_scan.encoders import (
    Embedded,
    Encoder,
    check_embedding,
    limit_of,
    resolve_encoder,
)
from sklearn_scan.encoders.cache import digest, fingerprint
from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images import (
    ImageSource,
    as_image_source,
    check_no_folder,
    is_image_input,
)
from sklearn_scan.pretext import with_learned

# What X holds.
_IMAGES, _FEATURES, _ARRAYS = "images", "features", "a list of feature arrays"

# X as it was read: images that are still to be embedded, or features.
Data = ImageSource | Features


class Reader:
    """Reads X for a clusterer: images, which an encoder embeds, or features.

    Parameters
    ----------
    clusterer : ReadingParameters
        Whose parameters say how; scikit-learn's checks note the features on it.
    kind : {"images", "features", "a list of feature arrays"}
        What X holds, in the fit and ever after.
    encoder : Encoder or None
        What embeds images; None of features.
    float_range : float, optional
        The white of float images in the fit.
    dims : tuple of int, optional
        The number of features of each encoder in the fit.
    """

    def __init__(
        self,
        clusterer: ReadingParameters,
        kind: str,
        encoder: Encoder | None,
        *,
        float_range: float | None = None,
        dims: tuple[int, ...] | None = None,
    ) -> None:
        self._clusterer = clusterer
        self.kind = kind
        self.encoder = encoder
        self.float_range = float_range
        self.dims = dims

    @classmethod
    def of(cls, X: Any, clusterer: ReadingParameters, seed: int) -> Self:
        """Return the reader of a fit, with a new encoder where X holds images."""
        given = clusterer.encoder
        has_encoder = not (isinstance(given, str) and given == "auto")
        if not has_encoder and holds_feature_arrays(X):
            return cls(clusterer, _ARRAYS, None)
        if is_image_input(X):
            encoder = resolve_encoder(
                with_learned(given if has_encoder else clusterer.make_auto_encoder()),
                device=clusterer.device,
                precision=clusterer.precision,
                memory=clusterer.memory,
                bad_images=clusterer.bad_images,
                max_pixels=clusterer.max_pixels,
                n_jobs=clusterer.n_jobs,
                random_state=seed,
                verbose=clusterer.verbose,
            )
            return cls(clusterer, _IMAGES, encoder)
        if has_encoder:
            raise ValueError(
                f"X holds features or numbers ({type(X).__name__}), and not images for "
                f"the encoder {_name(given)}. Leave encoder out to cluster "
                "features; for images pass an array (n, h, w) or (n, h, w, c), a list "
                "of files or PIL images, or a Dataset."
            )
        return cls(clusterer, _FEATURES, None)

    def read(self, X: Any, *, fit: bool = False) -> Data:
        """Return X, checked; in the fit, note its scale and its features."""
        self._check_kind(X)
        if self.kind == _ARRAYS:
            return self._read_arrays(X, fit=fit)
        if self.kind == _FEATURES:
            return self._read_features(X, fit=fit)
        if fit:
            check_no_folder(X)
        source = as_image_source(
            X,
            # another batch of floats must be read on the scale of those in the fit
            float_range=None if fit else self.float_range,
            max_pixels=limit_of(self.encoder, self._clusterer.max_pixels),
        )
        if fit:
            self.float_range = source.float_range
        return source

    def _check_kind(self, X: Any) -> None:
        """Raise if X is not of the kind that the fit is on."""
        if self.kind != _IMAGES and are_tables(X):
            came = _ARRAYS
        else:
            came = _IMAGES if is_image_input(X) else _FEATURES
        if came != self.kind:
            raise ValueError(
                f"This {type(self._clusterer).__name__} was fitted on {self.kind}, but "
                f"X holds {came}: pass {self.kind} as for fit."
            )

    def _read_features(self, X: Any, *, fit: bool) -> Features:
        if is_mapped(X):  # in a file, where it stays: it may be larger than memory
            validate_data(self._clusterer, X, reset=fit, skip_check_array=True)
            check_finite_rows("X", X)
            return Features.of(X)
        if isinstance(X, torch.Tensor):
            X = to_numpy(X)
        with naming_array("X"):
            # In fit a copy: what is kept must not change with the user's array.
            array: NDArray[np.float32] = validate_data(
                self._clusterer, X, reset=fit, dtype=np.float32, order="C", copy=fit
            )
        return Features.of(array)

    def _read_arrays(self, X: Any, *, fit: bool) -> Features:
        array, dims = stack_feature_arrays(X, None if fit else self.dims)
        if fit:
            self._clusterer.n_features_in_ = sum(dims)
        return Features.of(array, dims)

    def fit(self, data: Data, folder: Path | None = None) -> None:
        """Fit the encoder, if there is one; what it learns is kept in the folder."""
        if self.encoder is None:
            return
        if folder is None:
            self.encoder.fit(data)
        else:
            self.encoder.fit_with_folder(data, folder)

    def weights(self) -> str:
        """Return a digest of the encoder's networks; nothing, if it tells of none."""
        assert self.encoder is not None  # for mypy: images have an encoder
        try:
            networks = self.encoder.networks()
        except TypeError:
            return ""
        return digest(*(fingerprint(each.module) for each in networks))

    def embed(
        self, data: Data, *, fit: bool = False, folder: Path | None = None
    ) -> Embedded:
        """Return the features of images, by the encoder; features stay as they are.

        Rows of NaN are those of images that could not be read and are to be skipped.
        With a folder, rows are kept there as they are made.
        """
        if isinstance(data, Features):
            return Embedded(data, [])
        assert self.encoder is not None  # for mypy: `read` returned images
        try:
            if folder is None:
                embedded = self.encoder.embed(data)
            else:
                embedded = self.encoder.embed_with_folder(data, folder)
        except ImageReadError as error:
            if fit or self._clusterer.bad_images == "raise":
                raise
            # None of them can be read: of a fit that is an error, of these a gap.
            warn(str(error), UserWarning)
            dims = self.dims or ()
            gaps = np.full((len(data), sum(dims)), np.nan, np.float32)
            return Embedded(Features.of(gaps, dims), list(error.failures))
        check_embedding(embedded)
        return embedded

    def take_trained(self, backbone: nn.Module) -> None:
        """Embed by a backbone that was trained, from now on."""
        assert self.encoder is not None  # for mypy: images have an encoder
        self.encoder = self.encoder.with_trained(backbone)


def _name(encoder: Any) -> str:
    return repr(encoder) if isinstance(encoder, str) else type(encoder).__name__


def image_names(data: Data) -> list[str] | None:
    """Return what each image is called, its path if it has one; None of features."""
    if isinstance(data, Features):
        return None
    return [data.name(i) for i in range(len(data))]
