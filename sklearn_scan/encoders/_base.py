"""What every encoder is: images in, an embedding out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from torch import nn

from sklearn_scan.core.device import resolve_device, resolve_precision
from sklearn_scan.core.validation import check_option, check_verbose
from sklearn_scan.encoders._preprocessing import Preprocessing
from sklearn_scan.encoders.cache import cache_folder
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images import POLICIES, resolve_workers


class Trainable(NamedTuple):
    """A backbone, to train or to use elsewhere, and how its images are prepared."""

    module: nn.Module
    preprocessing: Preprocessing


class Encoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):
    """From images to an embedding, as a scikit-learn transformer.

    A subclass writes `transform`, and `fit` if it learns from the images. Where it can
    skip unreadable images, it leaves NaN in their rows and lists them in `bad_images_`.
    """

    is_trainable: ClassVar[bool] = False  # whether `for_training` is there
    learns_from_images: ClassVar[bool] = False  # in `fit`
    bad_images_: list[UnreadableImage] = []  # noqa: RUF012 - replaced, never altered

    def fit(self, X: Any, y: Any = None) -> Self:
        """Return the encoder: by default there is nothing to learn.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.
        y : ignored
            Here for scikit-learn's sake.

        Returns
        -------
        self
        """
        return self

    @abstractmethod
    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images.

        Parameters
        ----------
        X : images
            Anything `sklearn_scan.images.as_image_source` reads.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
        """

    def for_training(self) -> Trainable:
        """Return the fitted encoder's backbone and preprocessing, to be trained.

        The backbone is the one that `transform` uses, so training changes it. For a
        subclass that is trainable, and says so.
        """
        raise NotImplementedError

    def networks(self) -> list[Trainable]:
        """Return the fitted encoder's networks, for use elsewhere; usually it is one.

        Their outputs, side by side, are the embedding.

        Raises
        ------
        TypeError
            If the encoder is something else than networks.
        """
        raise TypeError(
            f"{type(self).__name__} does not say what its networks are: it needs a "
            "method `networks`, which returns a list of Trainable."
        )

    def check(self) -> None:
        """Raise if a parameter is wrong; called before any long work."""

    def __sklearn_is_fitted__(self) -> bool:
        return True


def embed(encoder: Encoder, X: Any) -> NDArray[np.float32]:
    """Return the embedding as an array, also where the encoder makes data frames."""
    return np.require(encoder.transform(X), np.float32, ["C", "W"])


def check_embedding(embedding: NDArray[np.float32], n_unreadable: int) -> None:
    """Raise if rows are not finite, other than those of unreadable images.

    Raises
    ------
    ValueError
        With their number.
    """
    n_unusable = int((~np.isfinite(embedding).all(axis=1)).sum()) - n_unreadable
    if n_unusable:
        raise ValueError(
            f"The encoder returned NaN or infinity for {n_unusable} of "
            f"{len(embedding)} images. Check its weights, and try precision='fp32'."
        )


def check_settings(estimator: Any) -> None:
    """Check the parameters that all who embed images share.

    Raises
    ------
    TypeError, ValueError
        If `device`, `precision`, `n_jobs`, `memory`, `bad_images` or `verbose` is
        wrong.
    """
    resolve_precision(estimator.precision, resolve_device(estimator.device))
    resolve_workers(estimator.n_jobs)
    cache_folder(estimator.memory)
    check_option("bad_images", estimator.bad_images, POLICIES)
    check_verbose(estimator.verbose)
