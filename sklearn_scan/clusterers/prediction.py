"""What a fitted clusterer does with images, or features, of the same kind."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d
from torch import nn

from sklearn_scan.clusterers.reading import Features, ImageInputMixin
from sklearn_scan.core.features import center_blocks
from sklearn_scan.core.gaps import readable_rows, take_rows
from sklearn_scan.core.labels import most_probable
from sklearn_scan.core.mapped_rows import MappedRows, Rows, read_rows
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import label_free_score
from sklearn_scan.neighbors import NeighborGraph, mine_neighbors
from sklearn_scan.results.clustering import probability_blocks
from sklearn_scan.results.label_table import COLUMNS, LabelTable
from sklearn_scan.results.onnx import write_onnx
from sklearn_scan.results.standalone import StandaloneModel


class PredictionMixin(
    ImageInputMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
):
    """Embed, predict and score, for an estimator with the attributes below.

    Images that cannot be read, where they are to be skipped, are rows of NaN in the
    embedding and in the probabilities, and have the label -1.
    """

    n_neighbors: int
    neighbor_method: str

    n_clusters_: int
    cluster_names_: list[str]
    embedding_: Features
    module_: nn.Sequential

    def transform(self, X: Any) -> Features:
        """Return the embedding of images; features are returned as they are.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the kind given to `fit`.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
            Where X is features in a memmap, X itself.
        """
        check_is_fitted(self)
        return self._embed(self._read(X, reset=False))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each cluster.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the kind given to `fit`.

        Returns
        -------
        ndarray of float64, shape (n, n_clusters)
            Rows sum to one; columns are in the order of `classes_`. NaN for an image
            that cannot be read, where `bad_images` is "skip".
        """
        check_is_fitted(self)
        return self._probabilities(self._embed(self._read(X, reset=False)))

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the most probable cluster.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the kind given to `fit`.

        Returns
        -------
        ndarray of int64, shape (n,)
            From 0, the largest cluster of the training data, to n_clusters - 1; -1 for
            an image that cannot be read, where `bad_images` is "skip".
        """
        check_is_fitted(self)
        return self._labels(self._embed(self._read(X, reset=False)))

    def score(self, X: Any, y: Any = None) -> float:
        """Score the clusters of X, with or without labels; higher is better.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the kind given to `fit`.
        y : array-like of shape (n,), default=None
            The true classes.

        Returns
        -------
        float
            With `y`, the accuracy after the best one-to-one matching of clusters and
            classes. Without, how well neighbours and a linear model agree with the
            clusters (`model_selection.label_free_score`), which falls when neighbours
            are parted and when clusters are merged or cut at random.
        """
        if y is not None:
            return self._accuracy(X, y)
        check_is_fitted(self)
        embedding = self._embed(self._read(X, reset=False))
        embedding = take_rows(embedding, readable_rows(embedding))
        check_has_neighbors(len(embedding))
        labels = self._labels(embedding)
        return label_free_score(labels, self._even(embedding), device=self.device)

    def _accuracy(self, X: Any, y: Any) -> float:
        check_is_fitted(self)
        data = self._read(X, reset=False)
        y = column_or_1d(y)
        if len(data) != len(y):
            raise ValueError(
                f"y must have one label for each of the {len(data)} samples in X; got "
                f"{len(y)} labels."
            )
        labels = self._labels(self._embed(data))
        return clustering_accuracy(y, labels)

    def labels_frame(self) -> Any:
        """Return the clusters of the images of the fit as a table.

        Returns
        -------
        pandas.DataFrame
            With a row for each image and the columns `path` ("X[i]" for what is not a
            file), `label`, `name` (of the cluster) and `confidence` (the largest
            probability; NaN for an image that cannot be read, whose label is -1).

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        check_is_fitted(self)
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "labels_frame needs pandas: pip install pandas."
            ) from error
        table = LabelTable.of(self)
        columns = (table.paths, table.labels, table.names, table.confidence)
        return pandas.DataFrame(dict(zip(COLUMNS, columns, strict=True)))

    def to_torch(self) -> StandaloneModel:
        """Return the model as one network, from pixels to probabilities.

        Returns
        -------
        StandaloneModel
            An nn.Module in evaluation mode, on the CPU, in float32, with weights of
            its own. It takes images (b, 3, s, s), as floats in [0, 1] or uint8, of the
            size that `input_sizes` says; the features (b, d) where X was features; and
            of several encoders, or feature arrays, a batch for each.

        Raises
        ------
        TypeError
            If the encoder is none of the library's own.

        Examples
        --------
        >>> import torch
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_scan import SCANClusterer
        >>> X = load_digits().data[:300]
        >>> model = SCANClusterer(n_clusters=10, random_state=0).fit(X).to_torch()
        >>> model(torch.zeros(2, 64)).shape
        torch.Size([2, 10])
        """
        check_is_fitted(self)
        networks = None if self.encoder_ is None else self.encoder_.networks()
        return StandaloneModel(
            self.module_, self.embedding_dims_, networks, self.cluster_names_
        )

    def to_onnx(self, path: str | Path) -> None:
        """Write the network of `to_torch` as an ONNX file.

        Its inputs are "images" or "features" (of several encoders or feature arrays,
        "images_0", "images_1" and so on), its output is "probabilities"; the size of
        the batch is left open. Images are floats in [0, 1]. The metadata has the names
        of the clusters and how images are prepared, as JSON: "cluster_names" and
        "preprocessing".

        Parameters
        ----------
        path : path
            The file to write.

        Raises
        ------
        ImportError
            If `sklearn-scan[onnx]` is not installed.
        OnnxExportError
            If the network has parts that ONNX does not express.
        """
        write_onnx(self.to_torch(), Path(path))

    def _probabilities(self, embedding: Features) -> NDArray[np.float64]:
        probabilities = np.empty((len(embedding), self.n_clusters_))
        for rows, block in self._probability_blocks(embedding):
            probabilities[rows] = block
        return probabilities

    def _labels(self, embedding: Features) -> NDArray[np.int64]:
        labels = np.empty(len(embedding), dtype=np.int64)
        for rows, block in self._probability_blocks(embedding):
            labels[rows] = most_probable(block)
        return labels

    def _probability_blocks(
        self, embedding: Features
    ) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield rows of the embedding, and the probabilities of these samples."""
        return probability_blocks(self.module_, embedding)

    @property
    def _n_features_out(self) -> int:
        return int(self.embedding_.shape[1])

    def _even(self, embedding: Features) -> Features:
        """Return what scores are of: several spaces with equal weight."""
        if len(self.embedding_dims_) == 1:
            return embedding
        return center_blocks(read_rows(embedding), self.embedding_dims_).numpy()

    def _mine(self, embedding: Rows, seed: int) -> NeighborGraph:
        """Find the neighbours of each sample among all of them."""
        most = len(embedding) - 1
        if self.n_neighbors > most:
            warnings.warn(
                f"n_neighbors={self.n_neighbors} was lowered to {most}, all the other "
                "samples: every sample is then like every other.",
                UserWarning,
                stacklevel=3,
            )
        # Angles about the mean: embeddings share a direction that tells nothing apart.
        one_space = len(self.embedding_dims_) == 1
        if not (one_space or isinstance(embedding, MappedRows)):
            embedding = center_blocks(embedding, self.embedding_dims_)
        return mine_neighbors(
            embedding.array if isinstance(embedding, MappedRows) else embedding,
            min(self.n_neighbors, most),
            method=self.neighbor_method,
            center=one_space,
            device=self.device,
            random_state=seed,
            verbose=self.verbose,
        )


def check_has_neighbors(n_samples: int) -> None:
    """Raise if there are too few samples to have neighbours."""
    if n_samples < 2:
        raise ValueError(
            f"X holds {n_samples} sample(s) (n_samples = {n_samples}), while a minimum "
            "of 2 is required to find neighbours."
        )
