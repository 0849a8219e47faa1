"""What the page is told of each image and cluster, as plain values for JSON."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.report._thumbnails import COLUMNS, Sprites
from sklearn_scan.results.clustering import features_of
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.prototypes import cluster_members, cluster_prototypes

__all__ = ["ClusterView", "list_classes", "page_data", "split_paths"]

_FRONT = 8  # of a cluster's most, and least, confident images: those on its card
_LIKELY = 3  # clusters told of an image, with their probabilities
_NEAREST_IMAGES, _NEAREST_CLUSTERS = 8, 6
_NOWHERE = 65_535  # the place on the map of an image that has none


class ClusterView:
    """Who belongs where, most confident first, and what stands for each cluster.

    Membership is by `labels_`, which people may have corrected: an image need not be
    in its most probable cluster.

    Parameters
    ----------
    estimator : fitted clusterer
    """

    def __init__(self, estimator: Any) -> None:
        self.table = LabelTable.of(estimator)
        self.labels: NDArray[np.int64] = estimator.labels_
        self.probabilities: NDArray[np.float64] = estimator.probabilities_
        self.n_clusters = self.probabilities.shape[1]
        self.neighbors: NDArray[np.int64] = estimator.neighbors_.indices
        # several encoders weigh the same, as where neighbours were looked for
        self.embedding = features_of(estimator).centered()
        self.members = cluster_members(self.labels, self.probabilities)
        self.prototypes = cluster_prototypes(
            self.embedding, self.probabilities, self.labels
        )

    def seen_together(self) -> list[int]:
        """Return all images: first those on cards, then each cluster's."""
        fronts = [
            [int(prototype), *members[:_FRONT].tolist(), *members[-_FRONT:].tolist()]
            for prototype, members in zip(self.prototypes, self.members, strict=True)
            if len(members)
        ]
        rest = [members.tolist() for members in self.members]
        return list(dict.fromkeys(chain(*fronts, *rest)))

    def nearest_clusters(self) -> list[list[int]]:
        """Return for each cluster those whose mean images lie in the same direction."""
        centers = np.zeros((self.n_clusters, self.embedding.shape[1]))
        for center, members in zip(centers, self.members, strict=True):
            if len(members):
                center[:] = self.embedding[members].mean(axis=0)
        lengths = np.linalg.norm(centers, axis=1, keepdims=True)
        units = centers / np.maximum(lengths, np.finfo(np.float64).tiny)
        cosines = units @ units.T
        sizes = np.array([len(members) for members in self.members])
        cosines[:, sizes == 0] = -np.inf  # an empty cluster is nowhere
        np.fill_diagonal(cosines, -np.inf)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :_NEAREST_CLUSTERS]
        return [
            [int(c) for c in row if size and np.isfinite(cosines[cluster, c])]
            for cluster, (row, size) in enumerate(zip(order, sizes, strict=True))
        ]

    def rank(self) -> NDArray[np.int32]:
        """Return each image's place, from 0, among all by confidence in its cluster."""
        rows = np.flatnonzero(self.labels >= 0)
        own = np.full(len(self.labels), -1.0)
        own[rows] = self.probabilities[rows, self.labels[rows]]
        rank = np.empty(len(own), dtype=np.int32)
        rank[np.argsort(-own, kind="stable")] = np.arange(len(own), dtype=np.int32)
        return rank


def page_data(
    view: ClusterView,
    points: NDArray[np.floating],
    sprites: Sprites,
    failures: Sequence[UnreadableImage],
) -> dict[str, Any]:
    """Gather what the page shows and lets people correct.

    Parameters
    ----------
    view : ClusterView
    points : ndarray of shape (n, 2)
        Where each image is on the map; NaN for nowhere.
    sprites : Sprites
    failures : sequence of UnreadableImage
        The images that cannot be read, in the fit or now.

    Returns
    -------
    dict
        Of what JSON holds; long arrays are base64 of little-endian numbers.
    """
    table = view.table
    return {
        "run": table.run,
        "paths": split_paths(table.paths),
        "labels": _pack(view.labels, "<i4"),
        "confidence": _pack(_ten_thousandths(table.confidence_texts), "<i2"),
        "rank": _pack(view.rank(), "<i4"),
        "likely": _likely(view.probabilities),
        "neighbors": _nearest_images(view.neighbors),
        "clusters": {
            "names": list(table.cluster_names),
            "prototypes": view.prototypes.tolist(),
            "nearest": view.nearest_clusters(),
        },
        "points": _pack(_on_the_map(points), "<u2"),
        "tiles": {
            "places": _pack(sprites.places, "<i4"),
            "side": sprites.side,
            "columns": COLUMNS,
        },
        "unreadable": [[bad.row, bad.reason] for bad in failures],
    }


def _pack(array: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(array.astype(dtype).tobytes()).decode()


def split_paths(paths: Sequence[str]) -> dict[str, Any]:
    """Return paths as the folder that all are in, and where in it each is."""
    # by characters, with no regard to a system: a path stays what it was put in as
    start = os.path.commonprefix(list(paths))  # noqa: RUF071
    cut = max(start.rfind("/"), start.rfind("\\")) + 1
    return {"folder": start[:cut], "rest": [path[cut:] for path in paths]}


def _ten_thousandths(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return confidences, as they are written, as whole numbers; -1 for none."""
    return np.array([round(float(text) * 10_000) if text else -1 for text in texts])


def _likely(probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """Return each image's most probable clusters; -1 where it has none."""
    n_likely = min(_LIKELY, probabilities.shape[1])
    clusters = np.argsort(-probabilities, axis=1, kind="stable")[:, :n_likely]
    values = np.take_along_axis(probabilities, clusters, axis=1)
    whole = np.nan_to_num(np.rint(values * 10_000), nan=-1.0)
    return {
        "each": n_likely,
        "clusters": _pack(clusters, "<i4"),
        "probabilities": _pack(whole, "<i2"),
    }


def _nearest_images(neighbors: NDArray[np.int64]) -> dict[str, Any]:
    nearest = neighbors[:, :_NEAREST_IMAGES]
    return {"each": nearest.shape[1], "rows": _pack(nearest, "<i4")}


def _on_the_map(points: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return places as whole numbers from 0, as far apart in both directions."""
    placed = np.isfinite(points).all(axis=1)
    places = np.full(points.shape, _NOWHERE, dtype=np.int64)
    if placed.any():
        low, high = points[placed].min(axis=0), points[placed].max(axis=0)
        span = max(float((high - low).max()), np.finfo(np.float32).tiny)
        middle = (low + high) / 2
        unit = (points[placed] - middle) / span + 0.5
        places[placed] = np.rint(unit * (_NOWHERE - 1)).clip(0, _NOWHERE - 1)
    return places


def list_classes(y: ArrayLike) -> dict[str, Any]:
    """Return the names of the classes, and the number of each image's among them."""
    names, numbers = np.unique(np.asarray(y), return_inverse=True)
    return {"names": [str(name) for name in names], "of": _pack(numbers, "<i4")}
