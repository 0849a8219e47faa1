"""Pixels as features, and a network of random weights for a clusterer to train."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_scan.core.features import Features
from sklearn_scan.core.random import isolated_rng
from sklearn_scan.encoders import Embedded, chosen_rows
from sklearn_scan.images import BadImages, ImageSource, load_batches
from sklearn_scan.pretext._backbones import make_backbone, probe
from sklearn_scan.pretext._network_encoder import NetworkEncoder

_BATCH = 256


@dataclass(eq=False, repr=False)
class RawPixels(NetworkEncoder):
    """Use the unchanged pixels, until a clusterer has trained the network.

    `JULEClusterer` uses this by default: the first clusters are those of the pixels,
    and the network learns from them. There is no pretext task. After the training, the
    network embeds the images. To use the trained network in another clusterer, pass
    `clusterer.encoder_.encoder_`, an `ImageEncoder`. (A `RawPixels` would start again
    with random weights.)

    Parameters
    ----------
    backbone : "auto", str or callable, default="auto"
        The network. "auto" is that of the JULE paper for the size of the images. You
        can also pass the name of a timm model, whose weights start at random; or a
        function that makes a new module, which takes images (b, 3, h, w) and returns
        features (b, embed_dim).
    image_size : int or "auto", default="auto"
        The side of the images, in pixels. "auto" is the shorter side of the first
        image, but at least 8 and at most 32.
    stem : {"auto", "small", "standard"}, default="auto"
        The first layers of a timm model, as for `SimCLR`.
    device, precision, memory, bad_images, max_pixels, n_jobs, random_state, verbose
        As for `SimCLR`.

    Attributes
    ----------
    encoder_ : ImageEncoder
        The network as an encoder.
    is_trained_ : bool
        Whether a clusterer has trained the network.
    n_channels_ : int
        The channels of the pixels: 1 if all images were grey in `fit`, else 3.

    Examples
    --------
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.pretext import RawPixels
    >>> images = load_digits_images().images[:100]
    >>> RawPixels().fit_transform(images).shape
    (100, 64)
    """

    # What it embeds at first are no features of its network.
    is_trainable: ClassVar[bool] = False
    learns_from_images: ClassVar[bool] = False

    def fit(self, X: Any, y: Any = None) -> Self:
        """Make a network of random weights for the size of the images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.
        y : ignored
            Part of scikit-learn's interface.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter is wrong, X holds fewer than two images, or the images are
            too small for the backbone.
        ImageReadError
            If images cannot be read and `bad_images` is "raise"; lists all of them.
        """
        self.check()
        images, preprocessing, float_range = self._read(X)
        seed = int(check_random_state(self.random_state).randint(2**31))
        name = self.backbone
        if isinstance(name, str) and name == "auto":
            name = "jule"
        with isolated_rng(seed):
            network = make_backbone(name, preprocessing.input_size, self.stem)
        probe(network, preprocessing.view()(images[:2]))
        self._float_range = float_range
        self.n_channels_ = images.shape[1]
        self.encoder_ = self._as_encoder(network, preprocessing)
        self.is_trained_ = False
        return self

    def embed(self, source: ImageSource, rows: slice | None = None) -> Embedded:
        """Embed the images of a source, or some rows of it; see `Encoder.embed`."""
        check_is_fitted(self)
        if self.is_trained_:
            return super().embed(source, rows)
        chosen, bad = chosen_rows(source, rows), BadImages(self.bad_images)
        array = np.full((len(chosen), self._n_features_out), np.nan, dtype=np.float32)
        for read, images in load_batches(
            source,
            self.encoder_.preprocessing_.crop,
            chosen,
            bad,
            batch_size=_BATCH,
            n_jobs=self.n_jobs,
        ):
            array[[chosen.index(row) for row in read]] = self._flatten(images)
        bad.raise_or_warn(len(chosen))
        return Embedded(Features.of(array), bad.found)

    def embed_with_folder(self, source: ImageSource, folder: Path) -> Embedded:
        """Embed all images; pixels, which are quickly read, are not kept."""
        if self.is_trained_:
            return super().embed_with_folder(source, folder)
        return self.embed(source)

    def with_trained(self, module: nn.Module) -> Self:
        """Return a copy that embeds by the trained network; see `Encoder`."""
        trained = super().with_trained(module)
        trained.is_trained_ = True
        return trained

    def _flatten(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the pixels (b, h, w, 3) as rows, of values from 0 to 1."""
        values: NDArray[np.float32] = np.divide(images, 255, dtype=np.float32)
        if self.n_channels_ == 1:
            values = values.mean(axis=3, dtype=np.float32)
        return values.reshape(len(images), -1)

    @property
    def _n_features_out(self) -> int:
        if self.is_trained_:
            return super()._n_features_out
        side = self.encoder_.preprocessing_.input_size
        return int(self.n_channels_ * side**2)
