"""The template of every image clusterer: encode, mine, run the stages, predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, column_or_1d

from sklearn_scan.clusterers.graph import check_graph, find_graph
from sklearn_scan.clusterers.outcome import set_clusters, set_course, set_input
from sklearn_scan.clusterers.reading import Data, Reader
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import Material, Stage
from sklearn_scan.clusterers.trunks import (
    BackboneTrunk,
    FeatureTrunk,
    StrongViews,
    Trunk,
    check_trainable,
)
from sklearn_scan.core.device import resolve_device
from sklearn_scan.core.docs import DocLink
from sklearn_scan.core.features import Features
from sklearn_scan.core.mapped_rows import Rows, through
from sklearn_scan.core.validation import check_count, check_option, check_real, is_auto
from sklearn_scan.encoders import Encoder, check_settings
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import (
    ClusterNumberCurve,
    estimate_n_clusters,
    label_free_score,
)
from sklearn_scan.neighbors import (
    METHODS,
    NeighborGraph,
    check_faiss,
)
from sklearn_scan.results.label_table import COLUMNS, LabelTable
from sklearn_scan.results.model import ClusterModel
from sklearn_scan.results.onnx import write_onnx
from sklearn_scan.results.standalone import StandaloneModel
from sklearn_scan.training.heads import Directions, Scaler, Standardize, make_scaler

__all__ = ["ImageClusterer"]


@dataclass(eq=False, repr=False)  # scikit-learn has its own
class ImageClusterer(
    DocLink,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    BaseEstimator,
    ABC,
):
    """Cluster images, or features of them, in stages.

    Its parameters are the fields, which `SCANClusterer` documents. A subclass is a
    dataclass too, adds its own and writes `_stages`.
    """

    _scaler: ClassVar[type[Standardize] | type[Directions]] = Standardize
    empty_hint: ClassVar[str] = "a smaller n_clusters"  # where clusters stay empty

    n_clusters: int | str = 10
    _: KW_ONLY
    encoder: Any = "auto"
    n_neighbors: int = 20
    neighbor_method: str = "auto"
    confidence_threshold: float = 0.99
    device: str | torch.device = "auto"
    precision: str = "auto"
    memory: str | Path | joblib.Memory | None = None
    bad_images: str = "raise"
    n_jobs: int | None = None
    random_state: Any = None
    verbose: int = 0

    @abstractmethod
    def _stages(self, material: Material) -> Sequence[Stage]:
        """Return what to run, one after another; the last finds the clusters."""

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
        run = Run(self.random_state, verbose=self.verbose)
        reader = Reader.of(X, self, run.seed("encode"))
        self._check_encoder(reader.encoder)
        data = reader.read(X, fit=True)
        self._check_sizes(len(data))
        given = check_graph(neighbors, data, self)
        embedded = run.keep("encode", partial(reader.embed, data, fit=True))
        features, self.bad_images_ = embedded
        known = features.known()
        self._check_sizes(len(known))
        n_clusters = self._count_clusters(known, run)
        rows = known.to(resolve_device(self.device))
        scaler = make_scaler(self._scaler.from_features, rows, known.dims)
        seed = run.seed("mine")
        graph = run.keep("mine", partial(find_graph, given, features, rows, seed, self))
        trunk = self._trunk(reader, data, features, rows, scaler)
        material = Material(trunk, graph, n_clusters)
        found = run.stages(self._stages(material), material)
        model = ClusterModel.of(scaler, found.head)
        if isinstance(trunk, BackboneTrunk):
            features = reader.embed_trained(data, trunk.backbone)
        set_input(self, reader, data, features)
        set_course(self, run, material, found, features)
        set_clusters(self, model, features, found.lost_clusters)
        return self

    def fit_transform(
        self, X: Any, y: Any = None, *, neighbors: NeighborGraph | None = None
    ) -> NDArray[np.float32]:
        """Cluster images, or features, and return their embedding.

        Parameters
        ----------
        X, y, neighbors
            As for `fit`.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
        """
        embedding: NDArray[np.float32] = self.fit(X, neighbors=neighbors).embedding_
        return embedding

    def transform(self, X: Any) -> NDArray[np.float32]:
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
        return self._features(X).array

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
        return self._model().probabilities(self._features(X))

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
        return self._model().labels(self._features(X))

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
        known = self._features(X).known()
        _check_has_neighbors(len(known))
        labels = self._model().labels(known)
        return label_free_score(labels, known.weighted(), device=self.device)

    def _accuracy(self, X: Any, y: Any) -> float:
        check_is_fitted(self)
        reader = self._reader()
        data = reader.read(X)
        y = column_or_1d(y)
        if len(data) != len(y):
            raise ValueError(
                f"y must have one label for each of the {len(data)} samples in X; got "
                f"{len(y)} labels."
            )
        labels = self._model().labels(reader.embed(data).features)
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

    # -- the parts of fit ---------------------------------------------------------

    def _forget_fit(self) -> None:
        """Be unfitted until this fit succeeds: after a failed one nothing is mixed."""
        for attribute in ("labels_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(attribute, None)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "labels_")

    def _check_parameters(self) -> None:
        """Raise if a parameter is wrong, before any long work."""
        if not is_auto("n_clusters", self.n_clusters):
            check_count("n_clusters", self.n_clusters)
        check_count("n_neighbors", self.n_neighbors, minimum=0)
        check_option("neighbor_method", self.neighbor_method, METHODS)
        check_faiss(self.neighbor_method)
        check_real(
            "confidence_threshold",
            self.confidence_threshold,
            minimum=0,
            maximum=1,
            boundaries="left",
        )
        check_settings(self)

    def _training_views(self, encoder: Encoder | None) -> StrongViews | None:  # noqa: ARG002
        """Return the views to train the backbone on; None leaves it as it is."""
        return None

    def _check_encoder(self, encoder: Encoder | None) -> None:
        """Raise if what is asked of the encoder does not go with X."""
        if self._training_views(encoder) is not None:
            check_trainable(encoder, self.precision)

    def _check_sizes(self, n_samples: int) -> None:
        _check_has_neighbors(n_samples)
        if not isinstance(self.n_clusters, str) and self.n_clusters > n_samples:
            raise ValueError(
                f"n_clusters={self.n_clusters} must not exceed the number of samples, "
                f"n_samples={n_samples}."
            )

    def _count_clusters(self, known: Features, run: Run) -> int:
        """Return the number of clusters; note the curve that "auto" read it off."""
        self.n_clusters_curve_: ClusterNumberCurve | None = None
        if not isinstance(self.n_clusters, str):
            return self.n_clusters
        self.n_clusters_curve_ = run.keep(
            "count",
            lambda: estimate_n_clusters(
                known.weighted(), random_state=run.seed("count"), device=self.device
            ),
        )
        return self.n_clusters_curve_.n_clusters

    def _trunk(
        self, reader: Reader, data: Data, features: Features, rows: Rows, scaler: Scaler
    ) -> Trunk:
        """Return what the stages train on: features, or images and their backbone."""
        views, encoder = self._training_views(reader.encoder), reader.encoder
        if views is None or encoder is None or isinstance(data, Features):
            return FeatureTrunk(through(scaler, rows), scaler.dims, scaler.scale)
        return BackboneTrunk.of(
            encoder,
            data,
            features.readable,
            scaler,
            augment=views,
            device=rows.device,
            precision=self.precision,
            n_jobs=self.n_jobs,
        )

    # -- what prediction stands on ------------------------------------------------

    def _reader(self) -> Reader:
        return Reader(
            self,
            self.input_kind_,
            self.encoder_,
            float_range=self.float_range_,
            dims=self.embedding_dims_,
        )

    def _model(self) -> ClusterModel:
        check_is_fitted(self)
        return ClusterModel(self.module_)

    def _features(self, X: Any) -> Features:
        check_is_fitted(self)
        reader = self._reader()
        return reader.embed(reader.read(X)).features

    @property
    def _n_features_out(self) -> int:
        return int(self.embedding_.shape[1])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _check_has_neighbors(n_samples: int) -> None:
    """Raise if there are too few samples to have neighbours."""
    if n_samples < 2:
        raise ValueError(
            f"X holds {n_samples} sample(s) (n_samples = {n_samples}), while a minimum "
            "of 2 is required to find neighbours."
        )
