"""What a fit leaves on the clusterer: the attributes that end with an underscore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan.clusterers.graph import graph_of_all
from sklearn_scan.clusterers.reading import Data, Reader, image_names
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import Found, Material
from sklearn_scan.core.features import Features
from sklearn_scan.core.labels import cluster_sizes, most_probable
from sklearn_scan.core.warn import warn
from sklearn_scan.results.label_table import name_cluster
from sklearn_scan.results.model import ClusterModel

if TYPE_CHECKING:
    from sklearn_scan.clusterers.base import ImageClusterer

__all__ = ["set_clusters", "set_course", "set_input"]


def set_input(
    clusterer: ImageClusterer, reader: Reader, data: Data, features: Features
) -> None:
    """Set what X was, and its features."""
    clusterer.input_kind_ = reader.kind
    clusterer.float_range_ = reader.float_range
    clusterer.encoder_ = reader.encoder
    clusterer.image_names_ = image_names(data)
    clusterer.embedding_, clusterer.embedding_dims_ = features.array, features.dims


def set_course(
    clusterer: ImageClusterer,
    run: Run,
    material: Material,
    found: Found,
    features: Features,
) -> None:
    """Set how the fit went."""
    clusterer.history_, clusterer.stage_times_ = run.history, run.times
    clusterer.neighbors_ = graph_of_all(material.graph, features)
    clusterer.n_clusters_ = material.n_clusters
    clusterer.head_losses_ = found.losses.cpu().numpy()
    clusterer.head_scores_ = found.scores.cpu().numpy()
    clusterer.best_head_ = found.best_head
    clusterer.self_labeled_ = found.self_labeled


def set_clusters(
    clusterer: ImageClusterer,
    model: ClusterModel,
    features: Features,
    unsure: tuple[int, ...],
) -> None:
    """Set the clusters, numbered by size; warn of empty and of `unsure` ones."""
    model, order = model.by_size(features)
    clusterer.module_ = model.module
    clusterer.classes_ = np.arange(model.n_clusters)
    clusterer.cluster_names_ = [name_cluster(c) for c in range(model.n_clusters)]
    clusterer.probabilities_ = model.probabilities(features)
    confidence = clusterer.probabilities_.max(axis=1)
    clusterer.confident_ = confidence > clusterer.confidence_threshold
    clusterer.labels_ = most_probable(clusterer.probabilities_)
    _warn_of_empty(clusterer)
    _warn_of_unsure(clusterer, np.flatnonzero(np.isin(order, unsure)))


def _warn_of_empty(clusterer: ImageClusterer) -> None:
    sizes = cluster_sizes(clusterer.labels_, clusterer.n_clusters_)
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        are = "is" if len(empty) == 1 else "are"
        warn(
            f"{_name_clusters(empty)} of {clusterer.n_clusters_} {are} empty. "
            f"Try {clusterer.empty_hint}.",
            ConvergenceWarning,
        )


def _warn_of_unsure(clusterer: ImageClusterer, clusters: NDArray[np.int64]) -> None:
    if len(clusters):
        warn(
            f"{_name_clusters(clusters)} of {clusterer.n_clusters_} had no sample "
            f"above confidence_threshold={clusterer.confidence_threshold} at the end "
            "of self-labelling: little taught what belongs there. Lower "
            "confidence_threshold, or leave the stage out by self_label_epochs=0.",
            ConvergenceWarning,
        )


def _name_clusters(numbers: NDArray[np.int64]) -> str:
    names = [str(number) for number in numbers]
    if len(names) == 1:
        return f"Cluster {names[0]}"
    return f"Clusters {', '.join(names[:-1])} and {names[-1]}"
