"""What a fit leaves on the clusterer: the attributes that end with an underscore."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan.clusterers.doubts import warn_of_noise
from sklearn_scan.clusterers.encoding import encode_by
from sklearn_scan.clusterers.graph import graph_of_all
from sklearn_scan.clusterers.parameters import Parameters
from sklearn_scan.clusterers.reading import Data, Reader, image_names
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import Comparison, Found, Material
from sklearn_scan.clusterers.trunks import BackboneTrunk
from sklearn_scan.core.features import Features
from sklearn_scan.core.labels import cluster_sizes, most_probable
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.model_selection import Quality
from sklearn_scan.results.label_table import name_cluster
from sklearn_scan.results.model import ClusterModel
from sklearn_scan.training.heads import Heads, Scaler
from sklearn_scan.training.split_batches import copy_alone

_UNKNOWN = Quality()


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the attributes of a fitted clusterer are made of."""

    clusterer: Parameters
    run: Run
    reader: Reader
    data: Data
    features: Features
    scaler: Scaler
    material: Material

    def set(self, found: Found) -> None:
        """Set the attributes; warn of clusters that mean little."""
        clusterer, features = self.clusterer, self.features
        trunk = self.material.trunk
        model = ClusterModel.of(self.scaler, found.head)
        if isinstance(trunk, BackboneTrunk):
            features = encode_by(trunk.backbone, self.reader, self.data, self.run)
        _set_input(clusterer, self.reader, features)
        clusterer.image_names_ = image_names(self.data)
        clusterer.neighbors_ = graph_of_all(
            found.graph or self.material.graph, features
        )
        clusterer.history_, clusterer.stage_times_ = self.run.history, self.run.times
        clusterer.head_losses_ = found.losses.cpu().numpy()
        clusterer.head_scores_ = found.scores.cpu().numpy()
        clusterer.best_head_ = found.best_head
        clusterer.self_labeled_ = found.self_labeled
        quality = self.run.keep("calibrate", lambda: self._measure(found, features))
        order = _set_clusters(clusterer, model, features, quality)
        warn_of_noise(quality, len(features.readable))
        _warn_of_empty(clusterer)
        _warn_of_unsure(clusterer, np.isin(order, found.lost_clusters).nonzero()[0])

    def _measure(self, found: Found, features: Features) -> Quality:
        """Return what is known of the clusters without labels."""
        n_clusters = self.material.n_clusters
        if n_clusters == 1:
            return Quality()
        comparison = found.comparison
        if comparison is None:
            rows = features.known().to(torch.device("cpu"))
            seed = self.run.seed("cluster")
            comparison = Comparison.drawn(rows, features.dims, n_clusters, seed)
        return comparison.quality(found.decisions.labels.cpu().numpy())

    def if_ended_with(self, head: Heads) -> dict[str, object]:
        """Return the attributes with which the clusterer predicts by another head.

        They are for callbacks that score the fit so far, which goes on: nothing of it
        is changed.
        """
        fitted, reader = copy.copy(self.clusterer), copy.copy(self.reader)
        trunk = self.material.trunk
        if isinstance(trunk, BackboneTrunk) and reader.encoder is not None:
            backbone = copy_alone(trunk.backbone)
            reader.encoder = reader.encoder.with_trained(backbone)
        _set_input(fitted, reader, self.features)
        model = ClusterModel.of(*copy.deepcopy((self.scaler, head)))
        _set_clusters(fitted, model, self.features)
        return {name: each for name, each in vars(fitted).items() if name[-1] == "_"}


def _set_input(clusterer: Parameters, reader: Reader, features: Features) -> None:
    """Set what X was, and its features."""
    clusterer.input_kind_ = reader.kind
    clusterer.float_range_ = reader.float_range
    clusterer.encoder_ = reader.encoder
    clusterer.embedding_, clusterer.embedding_dims_ = features.array, features.dims


def _set_clusters(
    clusterer: Parameters,
    model: ClusterModel,
    features: Features,
    quality: Quality = _UNKNOWN,
) -> NDArray[np.int64]:
    """Set the clusters, numbered by size; return their numbers before.

    Where the expected accuracy is known, the mean confidence is lowered to it.
    """
    model, order = model.by_size(features)
    model = model.calibrate(features, quality.expected_accuracy)
    clusterer.quality_ = quality
    clusterer.module_ = model.module
    clusterer.n_clusters_ = model.n_clusters
    clusterer.classes_ = np.arange(model.n_clusters)
    clusterer.cluster_names_ = [name_cluster(c) for c in range(model.n_clusters)]
    clusterer.probabilities_ = model.probabilities(features)
    confidence = clusterer.probabilities_.max(axis=1)
    clusterer.confident_ = confidence > clusterer.confidence_threshold
    clusterer.labels_ = most_probable(clusterer.probabilities_)
    return order


def _warn_of_empty(clusterer: Parameters) -> None:
    sizes = cluster_sizes(clusterer.labels_, clusterer.n_clusters_)
    empty = np.flatnonzero(sizes == 0)
    if len(empty):
        are = "is" if len(empty) == 1 else "are"
        warn(
            Message(
                "{} of {} {} empty. Try {}.",
                *(_name_clusters(empty), clusterer.n_clusters_, are),
                clusterer.empty_hint,
            ),
            ConvergenceWarning,
        )


def _warn_of_unsure(clusterer: Parameters, clusters: NDArray[np.int64]) -> None:
    if len(clusters):
        warn(
            Message(
                "{} of {}: self-labelling found few examples to learn from, because "
                "no probability there is above {} (before calibration). Lower {}, or "
                "leave the stage out with {}.",
                *(_name_clusters(clusters), clusterer.n_clusters_),
                clusterer.confidence_threshold,
                Setting("confidence_threshold"),
                Setting("self_label_epochs", 0),
            ),
            ConvergenceWarning,
        )


def _name_clusters(numbers: NDArray[np.int64]) -> str:
    names = [str(number) for number in numbers]
    if len(names) == 1:
        return f"Cluster {names[0]}"
    return f"Clusters {', '.join(names[:-1])} and {names[-1]}"
