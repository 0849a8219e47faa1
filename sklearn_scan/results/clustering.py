"""A fitted clusterer, as the report, the pictures, the files and the command see it.

A clusterer of any class that has these attributes can be shown, saved and used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_scan.core.features import Features
from sklearn_scan.encoders import Encoder, limit_of
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images import MAX_PIXELS, ImageSource, as_image_source
from sklearn_scan.model_selection import ClusterNumberCurve, Quality
from sklearn_scan.neighbors import NeighborGraph

__all__ = ["Clustering", "Epoch", "check_has_model", "features_of", "read_again"]

# What is noted of an epoch: its stage and its number, the loss and the loss's terms.
Epoch = dict[str, float | str]


class Clustering(Protocol):
    """A fitted clusterer; the docs of `SCANClusterer` say what the attributes are."""

    labels_: NDArray[np.int64]
    probabilities_: NDArray[np.float64]
    n_clusters_: int
    n_clusters_curve_: ClusterNumberCurve | None
    classes_: NDArray[np.int64]
    cluster_names_: list[str]
    image_names_: list[str] | None
    embedding_: NDArray[np.float32]
    embedding_dims_: tuple[int, ...]
    encoder_: Encoder | None
    neighbors_: NeighborGraph
    confident_: NDArray[np.bool_]
    quality_: Quality
    confidence_threshold: float
    self_labeled_: bool
    history_: list[Epoch]
    stage_times_: dict[str, float]
    bad_images_: list[UnreadableImage]
    module_: nn.Sequential
    n_jobs: int | None
    verbose: int

    def transform(self, X: Sequence[str]) -> NDArray[np.float32]:
        """Return the embedding of images, (n, embed_dim)."""

    def predict_proba(self, X: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of each cluster, (n, n_clusters)."""


def check_has_model(clusterer: object, user: str) -> None:
    """Raise if a clusterer is not fitted, or has no model of its clusters.

    Parameters
    ----------
    clusterer : object
        What came as a `Clustering`.
    user : str
        What needs the model, in the words of the error.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError
        If it has no model.
    """
    check_is_fitted(clusterer)
    needed = "probabilities_", "cluster_names_"
    if not all(hasattr(clusterer, name) for name in needed):
        raise TypeError(
            f"{type(clusterer).__name__} has no model of its clusters, which {user} "
            "needs: SCANClusterer, TEMIClusterer and JULEClusterer have one. plot_tree "
            "also shows a GraphDegreeLinkage."
        )


def features_of(clusterer: Clustering) -> Features:
    """Return the features that a clusterer was fitted on."""
    return Features.of(clusterer.embedding_, clusterer.embedding_dims_)


def read_again(clusterer: object, images: Any) -> ImageSource:
    """Return the source of the images of a fit, with the limit of pixels that it had.

    Parameters
    ----------
    clusterer : fitted clusterer
        Of any kind.
    images : images
        Anything that `as_image_source` reads.

    Returns
    -------
    ImageSource
    """
    encoder = getattr(clusterer, "encoder_", None)
    limit = limit_of(encoder, getattr(clusterer, "max_pixels", MAX_PIXELS))
    return as_image_source(images, max_pixels=limit)
