"""What every encoder is: images in, an embedding out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from sklearn_scan._cache import cache_folder
from sklearn_scan._device import resolve_device, resolve_precision, resolve_threads
from sklearn_scan._validation import check_verbose


class Encoder(TransformerMixin, BaseEstimator, ABC):
    """From images to an embedding, as a scikit-learn transformer.

    A subclass writes `transform`, and `fit` if it learns from the images.
    """

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

    def check(self) -> None:
        """Raise if a parameter is wrong; called before any long work."""

    def __sklearn_is_fitted__(self) -> bool:
        return True


def check_settings(estimator: Any) -> None:
    """Check the parameters that all who embed images share.

    Raises
    ------
    TypeError, ValueError
        If `device`, `precision`, `n_jobs`, `memory` or `verbose` is wrong.
    """
    resolve_precision(estimator.precision, resolve_device(estimator.device))
    resolve_threads(estimator.n_jobs)
    cache_folder(estimator.memory)
    check_verbose(estimator.verbose)
