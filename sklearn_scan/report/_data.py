"""The data of the page: images and clusters as plain values for JSON."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import chain
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.report._files import ImageFiles, common_folder
from sklearn_scan.report._overview import Curve
from sklearn_scan.results.cluster_tree import cluster_tree
from sklearn_scan.results.clustering import Clustering, features_of
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.prototypes import cluster_members, cluster_prototypes

PACK = 100  # thumbnails in an element of the page, which is read as a whole
_FRONT = 8  # most confident images on a cluster's card, and least confident ones
_LIKELY = 3  # clusters shown with an image, with their probabilities
_NEAREST_IMAGES, _NEAREST_CLUSTERS = 8, 6
_NOWHERE = 65_535  # the place on the map of an unreadable image


class _Paths(TypedDict):
    folder: str
    rest: list[str]


class _Classes(TypedDict):
    names: list[str]
    of: str


class _Likely(TypedDict):
    each: int
    clusters: str
    probabilities: str


class _Neighbors(TypedDict):
    each: int
    rows: str


class _Clusters(TypedDict):
    names: list[str]
    prototypes: list[int]
    nearest: list[list[int]]
    learnt: list[bool]  # whether the model ever gives a cluster any probability
    merges: list[list[int]]  # the two nodes of each merge of the tree


class _Pictures(TypedDict):
    each: int  # in a script element
    places: str


class PageData(TypedDict):
    """What the page's script reads; long arrays are base64 of little-endian numbers."""

    run: str
    paths: _Paths
    names: _Paths
    files: ImageFiles | None
    classes: _Classes | None
    labels: str
    confidence: str
    rank: str
    likely: _Likely
    neighbors: _Neighbors
    clusters: _Clusters
    points: str
    pictures: _Pictures
    unreadable: list[tuple[int, str]]
    curves: list[Curve]


class ClusterView:
    """The members of each cluster, most confident first, and its prototype."""

    def __init__(self, estimator: Clustering) -> None:
        self.table = LabelTable.of(estimator)
        # which people may have corrected: they need not be the most probable clusters
        self.labels: NDArray[np.int64] = estimator.labels_
        self.probabilities: NDArray[np.float64] = estimator.probabilities_
        self.neighbors: NDArray[np.int64] = estimator.neighbors_.indices
        # several encoders have equal weight, as in the search for neighbours
        self.embedding = features_of(estimator).centered()
        self.members = cluster_members(self.labels, self.probabilities)
        self.prototypes = cluster_prototypes(
            self.embedding, self.probabilities, self.labels
        )
        self.tree = cluster_tree(estimator)

    def seen_together(self) -> list[int]:
        """Return all images: first those on cards, and those that are left out."""
        fronts = [
            [int(prototype), *members[:_FRONT].tolist(), *members[-_FRONT:].tolist()]
            for prototype, members in zip(self.prototypes, self.members, strict=True)
            if len(members)
        ]
        rest = [members.tolist() for members in self.members]
        left_out = np.flatnonzero(self.table.left_out).tolist()
        return list(dict.fromkeys(chain(*fronts, left_out, *rest)))

    def nearest_clusters(self) -> list[list[int]]:
        """Return for each cluster those with the most similar mean embeddings."""
        centers = np.zeros((len(self.members), self.embedding.shape[1]))
        for center, members in zip(centers, self.members, strict=True):
            if len(members):
                center[:] = self.embedding[members].mean(axis=0)
        lengths = np.linalg.norm(centers, axis=1, keepdims=True)
        units = centers / np.maximum(lengths, np.finfo(np.float64).tiny)
        cosines = units @ units.T
        sizes = np.array([len(members) for members in self.members])
        cosines[:, sizes == 0] = -np.inf  # an empty cluster is near to none
        np.fill_diagonal(cosines, -np.inf)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :_NEAREST_CLUSTERS]
        return [
            [int(c) for c in row if size and np.isfinite(cosines[cluster, c])]
            for cluster, (row, size) in enumerate(zip(order, sizes, strict=True))
        ]

    def rank(self) -> NDArray[np.int32]:
        """Return each image's rank, from 0, by its confidence in its cluster."""
        rows = np.flatnonzero(self.labels >= 0)
        own = np.full(len(self.labels), -1.0)
        own[rows] = self.probabilities[rows, self.labels[rows]]
        rank = np.empty(len(own), dtype=np.int32)
        rank[np.argsort(-own, kind="stable")] = np.arange(len(own), dtype=np.int32)
        return rank


def page_data(
    view: ClusterView,
    points: NDArray[np.floating],  # (n, 2); NaN for unreadable images
    places: NDArray[np.int32],  # (n,); the number of each thumbnail, or -1
    failures: Sequence[UnreadableImage],  # in the fit, or for the page
    *,
    names: Sequence[str],
    files: ImageFiles | None,
    y: ArrayLike | None,
    curves: list[Curve],
) -> PageData:
    """Gather what the page shows and lets people correct."""
    table, nearest = view.table, view.neighbors[:, :_NEAREST_IMAGES]
    return {
        "run": table.run,
        "paths": _split_paths(table.paths),
        "names": _split_paths(names),
        "files": files,
        "classes": None if y is None else _list_classes(y),
        "labels": _pack(view.labels, "<i4"),
        "confidence": _pack(_ten_thousandths(table.confidence_texts), "<i2"),
        "rank": _pack(view.rank(), "<i4"),
        "likely": _likely(view.probabilities),
        "neighbors": {"each": nearest.shape[1], "rows": _pack(nearest, "<i4")},
        "clusters": {
            "names": list(table.cluster_names),
            "prototypes": view.prototypes.tolist(),
            "nearest": view.nearest_clusters(),
            "learnt": (np.nan_to_num(view.probabilities).max(axis=0) > 0).tolist(),
            "merges": view.tree.children.tolist(),
        },
        "points": _pack(_on_the_map(points), "<u2"),
        "pictures": {"each": PACK, "places": _pack(places, "<i4")},
        "unreadable": [(bad.row, bad.reason) for bad in failures],
        "curves": curves,
    }


def _pack(array: np.ndarray, dtype: str) -> str:
    return base64.b64encode(array.astype(dtype).tobytes()).decode()


def _split_paths(paths: Sequence[str]) -> _Paths:
    """Return the folder that all paths are in, and the rest of each."""
    folder = common_folder(paths)
    return {"folder": folder, "rest": [path[len(folder) :] for path in paths]}


def _ten_thousandths(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return confidences, from their texts, in ten thousandths; -1 for none."""
    return np.array([round(float(text) * 10_000) if text else -1 for text in texts])


def _likely(probabilities: NDArray[np.float64]) -> _Likely:
    """Return each image's most probable clusters; -1 for unreadable images."""
    n_likely = min(_LIKELY, probabilities.shape[1])
    clusters = np.argsort(-probabilities, axis=1, kind="stable")[:, :n_likely]
    values = np.take_along_axis(probabilities, clusters, axis=1)
    whole = np.nan_to_num(np.rint(values * 10_000), nan=-1.0)
    return {
        "each": n_likely,
        "clusters": _pack(clusters, "<i4"),
        "probabilities": _pack(whole, "<i2"),
    }


def _on_the_map(points: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return places as whole numbers from 0, on one scale in both directions."""
    placed = np.isfinite(points).all(axis=1)
    places = np.full(points.shape, _NOWHERE, dtype=np.int64)
    if placed.any():
        low, high = points[placed].min(axis=0), points[placed].max(axis=0)
        span = max(float((high - low).max()), np.finfo(np.float32).tiny)
        middle = (low + high) / 2
        unit = (points[placed] - middle) / span + 0.5
        places[placed] = np.rint(unit * (_NOWHERE - 1)).clip(0, _NOWHERE - 1)
    return places


def _list_classes(y: ArrayLike) -> _Classes:
    """Return the names of the classes, and each image's class by number."""
    names, numbers = np.unique(np.asarray(y), return_inverse=True)
    return {"names": [str(name) for name in names], "of": _pack(numbers, "<i4")}
