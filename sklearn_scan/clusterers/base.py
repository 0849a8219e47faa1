"""The template of every image clusterer: encode, mine, train, predict."""

from __future__ import annotations

import time
import warnings
from abc import ABC
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from torch import nn

from sklearn_scan.clusterers.pace import StagesMixin
from sklearn_scan.clusterers.prediction import PredictionMixin, check_has_neighbors
from sklearn_scan.clusterers.reading import Features, image_names
from sklearn_scan.clusterers.trunks import BackboneTrunk
from sklearn_scan.core.device import isolated_rng, kept_heap, resolve_device
from sklearn_scan.core.gaps import readable_rows, take_rows
from sklearn_scan.core.labels import cluster_sizes, most_probable
from sklearn_scan.core.mapped_rows import MappedRows, Rows, is_mapped
from sklearn_scan.core.validation import check_count, check_option, is_auto
from sklearn_scan.encoders import check_settings
from sklearn_scan.images import ImageSource
from sklearn_scan.model_selection import ClusterNumberCurve, estimate_n_clusters
from sklearn_scan.neighbors import METHODS, NeighborGraph, check_faiss
from sklearn_scan.neighbors._given import among_readable, check_given
from sklearn_scan.results.label_table import name_cluster
from sklearn_scan.training.heads import Heads, Scaler, Standardize, make_scaler


class BaseImageClusterer(
    StagesMixin,
    PredictionMixin,
    ClusterMixin,
    BaseEstimator,
    ABC,
):
    """Cluster images, or features of them, with heads trained on neighbours.

    A subclass has the parameters that `ImageInputMixin`, `PredictionMixin` and
    `StagesMixin` name, and writes `_objective`; another first stage, `_fit_heads`.
    """

    random_state: Any
    _make_scaler: Callable[[Rows], Scaler] = staticmethod(Standardize.from_features)
    _empty_hint: str  # what to try where clusters stay empty

    def fit(
        self, X: Any, y: Any = None, *, neighbors: NeighborGraph | None = None
    ) -> Self:
        """Cluster images, or features of them.

        Parameters
        ----------
        X : images, array of shape (n, n_features), or a list or tuple of such
            Images are arrays (n, h, w) or (n, h, w, c), torch tensors with channels
            first, paths, PIL images or a torch Dataset. A numeric 2-D array is taken
            as features, and no encoder is used; a tuple of such, or a list of floats
            of different widths, as several encoders' features of the same samples.
            (Other lists of arrays are taken as grey images.) Features in a memmap, of
            any number type, stay there: they are read batch by batch.
        y : ignored
            Here for scikit-learn's sake: labels never reach the training.
        neighbors : NeighborGraph, optional
            The neighbours of the samples in X, row by row, as `mine_neighbors` finds
            them with `center=True`; by default they are mined so. Of more than
            `n_neighbors` the nearest are taken, and of fewer all. Its arrays may be
            memmaps.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the input is wrong; before any long work, but for a graph
            that names images which turn out to be unreadable.
        ImageReadError
            If images cannot be read and `bad_images` is "raise"; lists all of them.
        HubUnavailableError
            If the pretrained encoder cannot be fetched.
        DivergenceError
            If the loss is not finite in the first epoch of a stage.

        Warns
        -----
        ConvergenceWarning
            If "auto" finds no number of clusters that stands out, clusters stay empty,
            self-labelling finds no confident sample or leaves a cluster without any, a
            loss diverges after the first epoch, or one of several feature arrays is
            constant, and left out.
        UserWarning
            With their number, if images cannot be read and `bad_images` is "skip".
        """
        if isinstance(y, NeighborGraph):
            raise TypeError(
                "y is for labels, which are ignored; got a NeighborGraph: pass it by "
                "name, fit(X, neighbors=graph)."
            )
        self._forget_fit()
        self._check_parameters()
        encoder_seed, heads_seed, self_label_seed = (
            int(seed)
            for seed in check_random_state(self.random_state).randint(2**31, size=3)
        )
        self.encoder_ = self._choose_encoder(X, encoder_seed)
        self._check_finetune()
        data = self._read(X, reset=True)
        self._check_sizes(len(data))
        if neighbors is not None:
            neighbors = self._check_given(neighbors, data)
        readable = self._encode(data)
        rows = take_rows(self.embedding_, readable)
        self._choose_n_clusters(rows, heads_seed)
        embedding = _to_learn_from(rows, resolve_device(self.device))
        scaler = make_scaler(self._make_scaler, embedding, self.embedding_dims_)
        with self._timed("mine"):
            neighbors = self._find(neighbors, readable, embedding, heads_seed)
        trunk = self._make_trunk(data, readable, embedding, scaler)
        with isolated_rng(heads_seed, trunk.device), kept_heap():
            with self._timed("cluster"):
                head = self._fit_heads(trunk, neighbors, heads_seed)
            with self._timed("self_label"):
                second_stage = self._self_label(head, trunk, neighbors, self_label_seed)
        self.self_labeled_ = second_stage.kept
        self.module_ = nn.Sequential(scaler, head).cpu().eval()
        if isinstance(trunk, BackboneTrunk):
            self._encode_again(data, trunk)
        order = self._number_by_size(head)
        self.neighbors_ = _among_all(neighbors, readable, len(data))
        self._finish()
        self._warn_of_losses(order, second_stage.lost)
        return self

    def _forget_fit(self) -> None:
        """Be unfitted until this fit succeeds: after a failed one nothing is mixed."""
        for attribute in ("labels_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(attribute, None)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "labels_")

    def _check_parameters(self) -> None:
        if not is_auto("n_clusters", self.n_clusters):
            check_count("n_clusters", self.n_clusters)
        check_count("n_neighbors", self.n_neighbors, minimum=0)
        check_option("neighbor_method", self.neighbor_method, METHODS)
        check_faiss(self.neighbor_method)
        self._check_stages()
        check_settings(self)

    def _check_sizes(self, n_samples: int) -> None:
        check_has_neighbors(n_samples)
        if not isinstance(self.n_clusters, str) and self.n_clusters > n_samples:
            raise ValueError(
                f"n_clusters={self.n_clusters} must not exceed the number of samples, "
                f"n_samples={n_samples}."
            )

    def _check_given(
        self, neighbors: NeighborGraph, data: Features | ImageSource
    ) -> NeighborGraph:
        """Return a graph that came with X, checked and cut to `n_neighbors`."""
        if self.n_neighbors == 0:
            raise ValueError(
                "n_neighbors=0 takes no neighbours, but fit was given some: leave "
                "neighbors out, or pass another n_neighbors."
            )
        gaps = isinstance(data, ImageSource) and self.bad_images == "skip"
        graph = check_given(neighbors, len(data), gaps=gaps)
        return graph.nearest(self.n_neighbors)

    def _encode(self, data: Features | ImageSource) -> NDArray[np.int64]:
        """Set the embedding; return which of the samples could be read."""
        self.image_names_ = image_names(data)
        self.stage_times_: dict[str, float] = {}
        self.bad_images_ = []
        with self._timed("encode"):
            self.embedding_ = self._embed(data, fit=True)
        readable = readable_rows(self.embedding_)
        self._check_sizes(len(readable))
        return readable

    def _encode_again(self, data: Features | ImageSource, trunk: BackboneTrunk) -> None:
        """Set the encoder and the embedding of a backbone that has learnt along."""
        assert self.encoder_ is not None  # for mypy: images have an encoder
        self.encoder_ = self.encoder_.with_trained(trunk.backbone)
        with warnings.catch_warnings():  # of unreadable images, a second time
            warnings.simplefilter("ignore", UserWarning)
            self.embedding_ = self._embed(data)

    def _find(
        self,
        given: NeighborGraph | None,
        readable: NDArray[np.int64],
        embedding: Rows,
        seed: int,
    ) -> NeighborGraph | None:
        """Return the neighbours of the readable samples, if there are to be any."""
        if given is not None:
            return among_readable(given, readable)
        return self._mine(embedding, seed) if self.n_neighbors else None

    def _choose_n_clusters(self, embedding: Features, seed: int) -> None:
        """Set the number of clusters, and the curve it was read off, if it was."""
        self.n_clusters_curve_: ClusterNumberCurve | None = None
        if not isinstance(self.n_clusters, str):
            self.n_clusters_ = self.n_clusters
            return
        with self._timed("count"):
            self.n_clusters_curve_ = estimate_n_clusters(
                self._even(embedding), random_state=seed, device=self.device
            )
        self.n_clusters_ = self.n_clusters_curve_.n_clusters

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.stage_times_[stage] = time.perf_counter() - start

    def _number_by_size(self, head: Heads) -> NDArray[np.int64]:
        """Renumber the clusters from the largest to the smallest; return the order."""
        labels = self._labels(self.embedding_)
        order = np.argsort(-cluster_sizes(labels, self.n_clusters_), kind="stable")
        head.reorder(torch.from_numpy(order))
        return order

    def _finish(self) -> None:
        """Set what users read off a fitted clusterer; warn of empty clusters."""
        self.classes_ = np.arange(self.n_clusters_)
        self.cluster_names_ = [name_cluster(c) for c in range(self.n_clusters_)]
        self.probabilities_ = self._probabilities(self.embedding_)
        self.confident_ = self.probabilities_.max(axis=1) > self.confidence_threshold
        self.labels_ = most_probable(self.probabilities_)
        empty = np.flatnonzero(cluster_sizes(self.labels_, self.n_clusters_) == 0)
        if len(empty):
            warnings.warn(
                f"{_name_clusters(empty)} of {self.n_clusters_} {_are(empty)} empty. "
                f"Try {self._empty_hint}.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _warn_of_losses(self, order: NDArray[np.int64], lost: tuple[int, ...]) -> None:
        """Name the clusters that self-labelling left without a teacher."""
        numbers = np.flatnonzero(np.isin(order, lost))
        if len(numbers):
            warnings.warn(
                f"{_name_clusters(numbers)} of {self.n_clusters_} had no sample above "
                f"confidence_threshold={self.confidence_threshold} at the end of "
                "self-labelling: little taught what belongs there. Lower "
                "confidence_threshold, or leave the stage out by self_label_epochs=0.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def fit_transform(
        self, X: Any, y: Any = None, *, neighbors: NeighborGraph | None = None
    ) -> Features:
        """Cluster images, or features, and return their embedding.

        Parameters
        ----------
        X, y, neighbors
            As for `fit`.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
        """
        return self.fit(X, neighbors=neighbors).embedding_


def _to_learn_from(embedding: Features, device: torch.device) -> Rows:
    """Return the embedding as what training reads: mapped, or on the device."""
    if is_mapped(embedding):
        return MappedRows(embedding, device)
    # torch warns of read-only arrays, and takes no negative strides
    writeable = np.require(embedding, requirements=["C", "W"])
    return torch.from_numpy(writeable).to(device)


def _among_all(
    neighbors: NeighborGraph | None, readable: NDArray[np.int64], n_samples: int
) -> NeighborGraph:
    """Return the graph of the readable samples, or an empty one, as that of all."""
    graph = neighbors or NeighborGraph.empty(len(readable))
    return graph if len(readable) == n_samples else graph.spread(readable, n_samples)


def _name_clusters(numbers: NDArray[np.int64]) -> str:
    names = [str(number) for number in numbers]
    if len(names) == 1:
        return f"Cluster {names[0]}"
    return f"Clusters {', '.join(names[:-1])} and {names[-1]}"


def _are(numbers: NDArray[np.int64]) -> str:
    return "is" if len(numbers) == 1 else "are"
