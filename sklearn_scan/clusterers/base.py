"""The template of every image clusterer: encode, mine, run the stages, predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.callback import with_callbacks
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, column_or_1d

from sklearn_scan.clusterers.doubts import warn_of_doubts
from sklearn_scan.clusterers.encoding import encode
from sklearn_scan.clusterers.graph import (
    GivenNeighbors,
    check_graph,
    check_sizes,
    check_y,
    find_graph,
)
from sklearn_scan.clusterers.kept import PARTS, facts_of
from sklearn_scan.clusterers.outcome import Outcome
from sklearn_scan.clusterers.parameters import Parameters
from sklearn_scan.clusterers.reading import Data, Reader
from sklearn_scan.clusterers.run import Run
from sklearn_scan.clusterers.stages import Material, Stage, run_stages
from sklearn_scan.clusterers.trunks import (
    BackboneTrunk,
    FeatureTrunk,
    StrongViews,
    Trunk,
    check_trainable,
)
from sklearn_scan.core.device import device_errors, resolve_device
from sklearn_scan.core.docs import DocLink
from sklearn_scan.core.features import Features
from sklearn_scan.core.mapped_rows import Rows, through
from sklearn_scan.core.output import in_frame
from sklearn_scan.core.rows import check_size
from sklearn_scan.core.threads import free_threads
from sklearn_scan.core.validation import check_parameters
from sklearn_scan.encoders import Encoder, check_settings
from sklearn_scan.metrics import clustering_accuracy
from sklearn_scan.model_selection import (
    ClusterNumberCurve,
    estimate_n_clusters,
    label_free_score,
)
from sklearn_scan.neighbors import check_faiss
from sklearn_scan.results.clustering import features_of
from sklearn_scan.results.export import Exportable
from sklearn_scan.results.model import ClusterModel
from sklearn_scan.training.heads import (
    Directions,
    KernelFeatures,
    Scaler,
    Standardize,
    make_scaler,
)


@dataclass(eq=False, repr=False)  # scikit-learn has its own
class ImageClusterer(
    DocLink,
    Exportable,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
    Parameters,
    ABC,
):
    """Cluster images, or features of them, in stages.

    It is a dataclass, and its fields are the parameters (`SCANClusterer` documents
    them). A subclass is a dataclass too, adds its own fields and writes `_stages`.
    """

    _scaler: ClassVar[type[Standardize] | type[Directions] | type[KernelFeatures]] = (
        Standardize
    )

    @abstractmethod
    def _stages(self, material: Material) -> Sequence[Stage]:
        """Return what to run, one after another; the last finds the clusters."""

    @with_callbacks
    def fit(
        self, X: Any, y: Any = None, *, neighbors: GivenNeighbors | None = None
    ) -> Self:
        """Cluster images, or features of them.

        Parameters
        ----------
        X : images, array of shape (n, n_features), or a list or tuple of such
            Images are arrays (n, h, w) or (n, h, w, c), torch tensors with channels
            first, paths, PIL images, or a Dataset of torch or Hugging Face
            (`images.as_image_source` lists all types). A numeric 2-D array is used as
            features, without an encoder. A tuple of such arrays, or a list of float
            arrays of different widths, is used as the features of several encoders for
            the same samples. (Other lists of arrays are read as grey images.) Features
            in a memmap may have any number type and are read batch by batch.
        y : ignored
            Part of scikit-learn's interface: labels are never used for training. Only
            callbacks get them (`set_callbacks`), to score the clusters of each epoch.
        neighbors : NeighborGraph, sparse matrix or array of int, optional
            The neighbours of each sample in X, as `mine_neighbors` finds them with
            `center=True`. By default they are searched for in this way. If there are
            more than `n_neighbors`, the nearest are used; if there are fewer, all. Its
            arrays may be memmaps. The result of scikit-learn's `kneighbors_graph` is
            taken too, of ones or of Euclidean distances, and so are indices of shape
            (n, n_neighbors), the nearest first. A sample that is its own neighbour is
            left out there.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the input is wrong. This is checked before any long work,
            except that neighbours may not be images that cannot be read.
        ImageReadError
            If images cannot be read and `bad_images` is "raise"; lists all of them.
        HubUnavailableError
            If the pretrained encoder cannot be fetched.
        DivergenceError
            If the loss is not finite in the first epoch of a stage.
        CheckpointError
            If `checkpoint` is of another fit, in use, or damaged.
        OutOfMemoryError
            If memory runs out, on a GPU or on the machine.
        DeviceError
            If the GPU fails.

        Warns
        -----
        ConvergenceWarning
            If "auto" finds no number of clusters that is clearly better than others;
            if clusters stay empty; if self-labelling finds no confident sample, or
            leaves a cluster without any; if a loss diverges after the first epoch; if
            one of several feature arrays is constant, and is left out; if most samples
            have an exact copy; if samples differ by little more than single precision
            rounds; if many of the neighbours are not the nearest; or if `quality_` is
            as low as for random numbers.
        UserWarning
            If images cannot be read and `bad_images` is "skip"; or if the checkpoint
            cannot be written.
        """
        check_y(y)
        self._forget_fit()
        self._check_parameters()
        with Run.of(self, X, y) as run, free_threads(), device_errors():
            self._fit(X, neighbors, run)
        return self

    def _fit(self, X: Any, neighbors: GivenNeighbors | None, run: Run) -> None:
        """Take X from one part of the fit to the next."""
        reader = Reader.of(X, self, run.seed("encode"))
        self._check_encoder(reader.encoder)
        data = reader.read(X, fit=True)
        check_sizes(self.n_clusters, len(data))
        given = check_graph(neighbors, data, self)
        run.begin(partial(facts_of, self, data, given))
        embedded = run.keep("encode", partial(encode, reader, data, run))
        features, self.bad_images_ = embedded
        known = features.known()
        check_sizes(self.n_clusters, len(known))
        check_size("X" if data is features else "The embedding of X", known.array)
        n_clusters = self._count_clusters(known, run)
        rows = known.to(resolve_device(self.device))
        scaler = self._make_scaler(reader.encoder, rows, known.dims)
        seed = run.seed("mine")
        mine = partial(find_graph, given, features, rows, seed, self)
        if given is None:  # else the caller has it
            mine = partial(run.remember, "graph", mine, PARTS)
        graph = run.keep("mine", mine)
        warn_of_doubts(rows, graph)
        trunk = self._trunk(reader, data, features, rows, scaler)
        material = Material(trunk, graph, n_clusters, rows)
        outcome = Outcome(self, run, reader, data, features, scaler, material)
        run.fitted = outcome.if_ended_with
        outcome.set(run_stages(self._stages(material), material, run))

    def fit_transform(
        self, X: Any, y: Any = None, *, neighbors: GivenNeighbors | None = None
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
        self.fit(X, y, neighbors=neighbors)
        return self._embedding(features_of(self))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the embedding of images; features are returned as they are.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the same kind as the X of `fit`.

        Returns
        -------
        ndarray of float32, shape (n, embed_dim)
            If X is features in a memmap, X itself.
        """
        return self._embedding(self._features(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each cluster.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the same kind as the X of `fit`.

        Returns
        -------
        ndarray of float64, shape (n, n_clusters)
            Rows sum to one; columns are in the order of `classes_`. NaN for an image
            that cannot be read, if `bad_images` is "skip". After
            `set_output(transform="pandas")`, or "polars", it is a data frame with
            columns named by `cluster_names_`.
        """
        probabilities = self._model().probabilities(self._features(X))
        framed: NDArray[np.float64] = in_frame(
            probabilities, X, self, self.cluster_names_
        )
        return framed

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return the most probable cluster.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the same kind as the X of `fit`.

        Returns
        -------
        ndarray of int64, shape (n,)
            From 0, the largest cluster of the training data, to n_clusters - 1; -1 for
            an image that cannot be read, if `bad_images` is "skip".
        """
        return self._model().labels(self._features(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Score the clusters of X, with or without labels; higher is better.

        Parameters
        ----------
        X : images, or array of shape (n, n_features)
            Of the same kind as the X of `fit`.
        y : array-like of shape (n,), default=None
            The true classes.

        Returns
        -------
        float
            With `y`, the accuracy after the best one-to-one matching of clusters and
            classes. Without `y`, `model_selection.label_free_score`: how well the
            clusters of neighbours and a linear model agree with the clusters. It
            compares settings for one number of clusters, because it grows with that
            number.
        """
        if y is not None:
            return self._accuracy(X, y)
        known = self._features(X).known()
        check_sizes(None, len(known))
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

    # -- the parts of fit ---------------------------------------------------------

    def _check_parameters(self) -> None:
        """Raise if a parameter is wrong, before any long work."""
        check_parameters(self)
        check_faiss(self.neighbor_method)
        check_settings(self)

    def _training_views(self, encoder: Encoder | None) -> StrongViews | None:  # noqa: ARG002
        """Return the views to train the backbone on; None leaves it as it is."""
        return None

    def _check_encoder(self, encoder: Encoder | None) -> None:
        """Raise if what is asked of the encoder does not go with X."""
        if self._training_views(encoder) is not None:
            check_trainable(encoder, self.precision)

    def _count_clusters(self, known: Features, run: Run) -> int:
        """Return the number of clusters; note the curve that "auto" read it off."""
        self.n_clusters_curve_: ClusterNumberCurve | None = None
        if not isinstance(self.n_clusters, str):
            return self.n_clusters
        estimate = partial(
            estimate_n_clusters,
            known.weighted(),
            random_state=run.seed("count"),
            device=self.device,
            verbose=self.verbose,
        )
        self.n_clusters_curve_ = run.keep(
            "count", partial(run.remember, "count", estimate, PARTS)
        )
        return self.n_clusters_curve_.n_clusters

    def _make_scaler(
        self,
        encoder: Encoder | None,  # noqa: ARG002
        rows: Rows,
        dims: tuple[int, ...],
    ) -> Scaler:
        """Return what scales the features before the heads."""
        return make_scaler(self._scaler.from_features, rows, dims)

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

    def _embedding(self, features: Features) -> NDArray[np.float32]:
        """Return what `transform` returns of the features that the model takes."""
        return features.array

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
