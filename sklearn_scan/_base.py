"""The template of every image clusterer: encode, mine, train, predict."""

from __future__ import annotations

import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from torch import Tensor, nn

from sklearn_scan._device import resolve_device
from sklearn_scan._gaps import cluster_sizes, most_probable, readable_rows
from sklearn_scan._input import Features
from sklearn_scan._prediction import PredictionMixin, check_has_neighbors
from sklearn_scan._validation import (
    check_count,
    check_option,
    check_real,
    is_auto,
)
from sklearn_scan.clustering import suggest_learning_rate, train_heads
from sklearn_scan.encoders import check_settings
from sklearn_scan.heads import ClusterHeads, Standardize
from sklearn_scan.neighbors import METHODS, NeighborGraph
from sklearn_scan.objectives import Objective
from sklearn_scan.self_labeling import self_label
from sklearn_scan.training import count_batches

_BATCH_SIZE = 512


class BaseImageClusterer(
    PredictionMixin,
    ClusterMixin,
    BaseEstimator,
    ABC,
):
    """Cluster images, or features of them, with heads trained on neighbours.

    A subclass has the parameters of `SCANClusterer` and writes `_objective`.
    """

    n_clusters: int
    n_heads: int
    max_epochs: int
    self_label_epochs: int
    confidence_threshold: float
    finetune: bool | str
    learning_rate: float | str
    batch_size: int | str
    random_state: Any

    @abstractmethod
    def _objective(self) -> Objective:
        """Return the loss of the first stage."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Cluster images, or features of them.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Images are arrays (n, h, w) or (n, h, w, c), torch tensors with channels
            first, paths, PIL images or a torch Dataset. A numeric 2-D array is taken
            as features, and no encoder is used.
        y : ignored
            Here for scikit-learn's sake: labels never reach the training.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the input is wrong; before any long work.
        ImageReadError
            If images cannot be read and `bad_images` is "raise"; lists all of them.
        HubUnavailableError
            If the pretrained encoder cannot be fetched.
        DivergenceError
            If the loss does not stay finite.

        Warns
        -----
        ConvergenceWarning
            If clusters stay empty, or self-labelling finds no confident sample.
        UserWarning
            With their number, if images cannot be read and `bad_images` is "skip".
        """
        self._forget_fit()
        self._check_parameters()
        encoder_seed, heads_seed, self_label_seed = (
            int(seed)
            for seed in check_random_state(self.random_state).randint(2**31, size=3)
        )
        self.encoder_ = self._choose_encoder(X, encoder_seed)
        data = self._read(X, reset=True)
        self._check_sizes(len(data))
        self.stage_times_: dict[str, float] = {}
        with self._timed("encode"):
            self.embedding_ = self._embed(data, fit=True)
        self.bad_images_ = self.encoder_.bad_images_ if self.encoder_ else []
        readable = readable_rows(self.embedding_)
        self._check_sizes(len(readable))
        device = resolve_device(self.device)
        embedding = torch.from_numpy(self.embedding_[readable]).to(device)
        scaler = Standardize.from_features(embedding)
        with self._timed("mine"):
            neighbors = self._mine(embedding, scaler.mean)
        features = scaler(embedding)
        with self._timed("cluster"):
            head = self._fit_heads(features, neighbors, heads_seed)
        with self._timed("self_label"):
            head = self._self_label(head, features, neighbors, self_label_seed)
        self.module_ = nn.Sequential(scaler, head).cpu().eval()
        self._number_by_size(head)
        self.neighbors_ = neighbors.spread(readable, len(data))
        self._finish()
        return self

    def _forget_fit(self) -> None:
        """Be unfitted until this fit succeeds: after a failed one nothing is mixed."""
        for attribute in ("labels_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(attribute, None)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "labels_")

    def _check_parameters(self) -> None:
        check_count("n_clusters", self.n_clusters)
        check_count("n_neighbors", self.n_neighbors)
        check_option("neighbor_method", self.neighbor_method, METHODS)
        check_count("n_heads", self.n_heads)
        check_count("max_epochs", self.max_epochs)
        check_count("self_label_epochs", self.self_label_epochs, minimum=0)
        check_real(
            "confidence_threshold",
            self.confidence_threshold,
            minimum=0,
            maximum=1,
            boundaries="left",
        )
        if self.finetune not in ("auto", False):
            raise ValueError(
                "finetune must be 'auto' or False: the heads train on the encoder's "
                f"frozen features; got {self.finetune!r}."
            )
        if not is_auto("learning_rate", self.learning_rate):
            check_real(
                "learning_rate", self.learning_rate, minimum=0, boundaries="neither"
            )
        if not is_auto("batch_size", self.batch_size):
            check_count("batch_size", self.batch_size)
        check_settings(self)

    def _check_sizes(self, n_samples: int) -> None:
        check_has_neighbors(n_samples)
        if self.n_clusters > n_samples:
            raise ValueError(
                f"n_clusters={self.n_clusters} must not exceed the number of samples, "
                f"n_samples={n_samples}."
            )

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.stage_times_[stage] = time.perf_counter() - start

    def _fit_heads(
        self, features: Tensor, neighbors: NeighborGraph, seed: int
    ) -> ClusterHeads:
        """Run the first stage; return the head of the lowest loss."""
        trained = train_heads(
            features,
            neighbors,
            self._objective().to(features.device),
            n_clusters=self.n_clusters,
            n_heads=self.n_heads,
            n_epochs=self.max_epochs,
            batch_size=self._batch_size,
            learning_rate=self._learning_rate(features),
            seed=seed,
            verbose=self.verbose,
        )
        self.head_losses_ = trained.losses.cpu().numpy()
        self.best_head_ = trained.best_head
        self.history_ = trained.history
        return trained.heads.select(trained.best_head)

    def _self_label(
        self,
        head: ClusterHeads,
        features: Tensor,
        neighbors: NeighborGraph,
        seed: int,
    ) -> ClusterHeads:
        """Run the second stage; return the head that comes out of it."""
        self.self_labeled_ = False
        if self.self_label_epochs == 0:
            return head
        result = self_label(
            head,
            features,
            neighbors,
            confidence_threshold=self.confidence_threshold,
            n_epochs=self.self_label_epochs,
            batch_size=self._batch_size,
            learning_rate=self._learning_rate(features),
            seed=seed,
            verbose=self.verbose,
        )
        self.self_labeled_ = result.kept
        self.history_ += result.history
        return result.head

    @property
    def _batch_size(self) -> int:
        return _BATCH_SIZE if isinstance(self.batch_size, str) else self.batch_size

    def _learning_rate(self, features: Tensor) -> float:
        if not isinstance(self.learning_rate, str):
            return self.learning_rate
        n_samples, n_features = features.shape
        n_steps = self.max_epochs * count_batches(n_samples, self._batch_size)
        return suggest_learning_rate(n_features, n_steps)

    def _number_by_size(self, head: ClusterHeads) -> None:
        """Renumber the clusters of `head` from the largest to the smallest."""
        labels = most_probable(self._probabilities(self.embedding_))
        sizes = cluster_sizes(labels, self.n_clusters)
        head.reorder(torch.from_numpy(np.argsort(-sizes, kind="stable")))

    def _finish(self) -> None:
        """Set what users read off a fitted clusterer; warn of empty clusters."""
        self.n_clusters_ = self.n_clusters
        self.classes_ = np.arange(self.n_clusters)
        self.probabilities_ = self._probabilities(self.embedding_)
        self.confident_ = self.probabilities_.max(axis=1) > self.confidence_threshold
        self.labels_ = most_probable(self.probabilities_)
        sizes = cluster_sizes(self.labels_, self.n_clusters)
        n_empty = int((sizes == 0).sum())
        if n_empty:
            warnings.warn(
                f"{n_empty} of {self.n_clusters} clusters are empty. Try a smaller "
                "n_clusters, a larger entropy_weight, more n_heads or more max_epochs.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def fit_transform(self, X: Any, y: Any = None) -> Features:
        """Cluster images, or features, and return their embedding.

        Parameters
        ----------
        X, y
            As for `fit`.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
        """
        return self.fit(X).embedding_
