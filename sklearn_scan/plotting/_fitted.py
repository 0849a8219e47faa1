"""The parts of a fitted clusterer that pictures show."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import column_or_1d

from sklearn_scan.images import ImageSource
from sklearn_scan.results.clustering import (
    Clustering,
    check_has_model,
    features_of,
    read_again,
)
from sklearn_scan.results.label_table import find_number
from sklearn_scan.results.prototypes import cluster_prototypes


class Labelled(Protocol):
    """A fitted clusterer of any kind."""

    labels_: NDArray[np.int64]  # (n,); -1 for images of no cluster


def check_drawable(clusterer: object) -> None:
    """Raise if a clusterer is not fitted, or has no model of its clusters."""
    check_has_model(clusterer, "this picture")


def source_of(clusterer: Clustering, images: Any) -> ImageSource:
    """Return the source of the fit's images; raise if there is no model to draw."""
    check_drawable(clusterer)
    return fitted_source(clusterer, images)


def fitted_source(clusterer: Labelled, images: Any) -> ImageSource:
    """Return the source of the fit's images, one for each sample."""
    source = read_again(clusterer, images)
    if len(source) != len(clusterer.labels_):
        raise ValueError(
            f"images must be the {len(clusterer.labels_)} the clusterer was fitted on; "
            f"got {len(source)}."
        )
    return source


def classes_of(clusterer: Clustering, y: ArrayLike) -> np.ndarray:
    """Return the class of each sample of the fit."""
    classes: np.ndarray = column_or_1d(y)
    if len(classes) != len(clusterer.labels_):
        raise ValueError(
            f"y must have a class for each of the {len(clusterer.labels_)} samples of "
            f"the fit; got {len(classes)}."
        )
    return classes


def short_names(clusterer: Clustering) -> list[str]:
    """Return the names of clusters, and the number alone of one without a name."""
    numbers = map(find_number, clusterer.cluster_names_)
    pairs = zip(clusterer.cluster_names_, numbers, strict=True)
    return [name if number is None else str(number) for name, number in pairs]


def prototypes_of(clusterer: Clustering) -> NDArray[np.int64]:
    """Return the row of each cluster's prototype; -1 for an empty cluster."""
    embedding = features_of(clusterer).centered()
    return cluster_prototypes(embedding, clusterer.probabilities_, clusterer.labels_)
