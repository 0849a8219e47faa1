"""Graph degree linkage: a tree of clusters, merged on the graph of neighbours."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClusterMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor
from torch.nn import functional as F

from sklearn_scan.clusterers.defaults import FEATURES_FOR_ANGLES
from sklearn_scan.clusterers.docs import clusterer_docs
from sklearn_scan.clusterers.doubts import warn_of_doubts
from sklearn_scan.clusterers.graph import (
    GivenNeighbors,
    check_graph,
    check_sizes,
    check_y,
    find_graph,
    graph_of_all,
)
from sklearn_scan.clusterers.parameters import ReadingParameters
from sklearn_scan.clusterers.reading import Reader, image_names
from sklearn_scan.core.device import device_errors, resolve_device
from sklearn_scan.core.docs import DocLink
from sklearn_scan.core.features import Features, center_blocks
from sklearn_scan.core.mapped_rows import read_rows
from sklearn_scan.core.threads import free_threads
from sklearn_scan.core.validation import (
    auto_or,
    check_parameters,
    checked,
    count,
    none_or,
    option,
    real,
)
from sklearn_scan.core.warn import warn
from sklearn_scan.encoders import Encoder, check_settings
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.model_selection import ClusterNumberCurve, choose_cut
from sklearn_scan.neighbors import (
    METRICS,
    NeighborGraph,
    among_readable,
    check_faiss,
    check_given,
)
from sklearn_scan.neighbors.partitions import (
    find_parts,
    joining_pairs,
    linkage_tree,
)


@clusterer_docs
@dataclass(eq=False, repr=False)  # scikit-learn has its own
class GraphDegreeLinkage(DocLink, ClusterMixin, ReadingParameters):
    """Cluster images, features or a graph of neighbours by merging.

    Each sample starts in a small cluster with its nearest neighbour. Then, again and
    again, the two clusters are merged that are joined by most paths on the graph of
    neighbours: from one cluster to the other and back [1]_. The merges are a tree, and
    `labels_for` cuts it at any number of clusters. Apart from the search for
    neighbours, n samples take n log(n) steps, and memory in proportion to their
    neighbours.

    On pixels of digits this is much better than k-means, Ward's linkage and spectral
    clustering. Nothing is trained, and new samples cannot be labelled. `JULEClusterer`
    uses this method and learns features at the same time.

    Parameters
    ----------
    n_clusters : int, "auto" or None, default=10
        The number of clusters. "auto" cuts the tree where the modularity of the
        clusters is highest (`model_selection.neighbor_modularity`). Pass None if you
        pass `distance_threshold`.
    encoder : default="auto"
        What turns images into features, as for `SCANClusterer`. A numeric 2-D X is used
        as features.
    n_neighbors : int, default=20
        The number of neighbours found for each sample.
    metric : {"auto", "cosine", "euclidean"}, default="auto"
        The distance of samples: the angle about the mean of all samples ("cosine"), or
        the Euclidean distance. "auto" uses angles if there are {FEATURES_FOR_ANGLES}
        features or more. These are better for most embeddings and photos; with few
        features, the length says too much to be left out. Several feature arrays are
        always compared by angles.
    distance_threshold : float, default=None
        Clusters are merged only below this height. `n_clusters` must then be None.
    {neighbor_method}
    {machine}

    Attributes
    ----------
    labels_ : ndarray of int64, shape (n,)
        The cluster of each sample. Cluster 0 is the largest; -1 is an image that
        cannot be read.
    n_clusters_ : int
        The number of clusters.
    children_ : ndarray of int64, shape (n_leaves - 1, 2)
        The two nodes of each merge, as in `sklearn.cluster.AgglomerativeClustering`: a
        number below `n_leaves_` is a sample, and any other is the merge with the number
        node - `n_leaves_`.
    distances_ : ndarray of float64, shape (n_leaves - 1,)
        The height of each merge: log(1 + 1 / affinity), or the height of an earlier
        merge if that is greater. Merges of nearest neighbours have the height 0.
    n_leaves_ : int
        The number of samples, without images that cannot be read.
    n_connected_components_ : int
        The number of parts of the graph: no neighbours link one part to another.
    tree_ : ClusterTree
        The same tree; `tree_.to_scipy()` is the matrix that
        `scipy.cluster.hierarchy.dendrogram` draws.
    n_clusters_curve_ : ClusterNumberCurve or None
        The numbers that "auto" tried, and the score of each.
    neighbors_ : NeighborGraph
        The neighbours of each sample.
    embedding_ : ndarray of float32, shape (n, embed_dim), or None
        The features; None if X was a graph.
    embedding_dims_ : tuple of int
        The number of features of each encoder, or of each feature array.
    encoder_ : Encoder or None
        The fitted encoder; None if X was not images.
    image_names_ : list of str or None
        The name of each image; None if X was not images.
    bad_images_ : list of UnreadableImage
        The images that cannot be read, as (row, path, reason).
    n_features_in_ : int
        The number of features, if X was features.

    References
    ----------
    .. [1] W. Zhang, X. Wang, D. Zhao, X. Tang, "Graph Degree Linkage: Agglomerative
       Clustering on a Directed Graph", ECCV 2012, arXiv:1208.5092. Here the weights of
       both directions are averaged, and merging starts from nearest neighbours, as in
       JULE (CVPR 2016).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.metrics import normalized_mutual_info_score
    >>> from sklearn_scan import GraphDegreeLinkage
    >>> X, y = load_digits(return_X_y=True)
    >>> clusterer = GraphDegreeLinkage(n_clusters=10).fit(X)
    >>> normalized_mutual_info_score(y, clusterer.labels_) > 0.85
    True
    >>> len(set(clusterer.labels_for(25)))
    25
    """

    n_clusters: int | str | None = checked(10, none_or(auto_or(count())))
    _: KW_ONLY
    n_neighbors: int = checked(20, count())
    metric: str = checked("auto", option(("auto", *METRICS)))
    distance_threshold: float | None = checked(None, none_or(real(0)))

    @free_threads()
    @device_errors()
    def fit(
        self, X: Any, y: Any = None, *, neighbors: GivenNeighbors | None = None
    ) -> Self:
        """Grow the tree of samples, and cut it into clusters.

        Parameters
        ----------
        X : images, array of shape (n, n_features), or NeighborGraph
            Images or features as `SCANClusterer` takes them; or the neighbours of the
            samples alone, as `mine_neighbors` finds them.
        y : ignored
            Part of scikit-learn's interface.
        neighbors : NeighborGraph, sparse matrix or array of int, optional
            The neighbours of the samples in X; by default they are searched for. If
            there are more than `n_neighbors`, the nearest are used. Their `metric` is
            used, not that of the clusterer. The result of scikit-learn's
            `kneighbors_graph` is taken too, of ones or of Euclidean distances, and so
            are indices of shape (n, n_neighbors), the nearest first.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or the input is wrong; or if X is a graph with more parts
            than clusters, because only features can join these.
        ImageReadError
            If images cannot be read and `bad_images` is "raise"; lists all of them.
        OutOfMemoryError
            If memory runs out, on a GPU or on the machine.
        DeviceError
            If the GPU fails.

        Warns
        -----
        UserWarning
            If the graph has more parts than clusters: their nearest pairs of samples
            then join them; if images cannot be read and `bad_images` is "skip"; or if
            there are not more samples than `n_neighbors`.
        ConvergenceWarning
            If "auto" finds no number of clusters that is clearly better than others; if
            most samples have an exact copy; if samples differ by little more than
            single precision rounds; or if many of the neighbours are not the nearest.
        """
        check_y(y)
        self._forget_fit()
        self._check_parameters()
        if isinstance(X, NeighborGraph):
            graph, features = self._read_graph(X, neighbors), None
        else:
            graph, features = self._read_samples(X, neighbors)
        self._grow(graph, features)
        self.n_clusters_ = self._choose_number(graph)
        self._warn_of_parts()
        self.labels_ = self._cut(self.n_clusters_)
        return self

    def labels_for(self, n_clusters: int) -> NDArray[np.int64]:
        """Return labels for another number of clusters, from the same tree.

        Parameters
        ----------
        n_clusters : int
            From 1 to the number of samples.

        Returns
        -------
        ndarray of int64, shape (n,)
            Numbered by size, like `labels_`.

        Raises
        ------
        ValueError
            If there are fewer samples than clusters; or if X was a graph with more
            parts than clusters.
        """
        check_is_fitted(self)
        return self._cut(n_clusters)

    def _check_parameters(self) -> None:
        """Raise if a parameter is wrong, before any long work."""
        check_parameters(self)
        check_faiss(self.neighbor_method)
        check_settings(self)
        if (self.n_clusters is None) == (self.distance_threshold is None):
            raise ValueError(
                "One of n_clusters and distance_threshold must be given, and the other "
                f"be None; got n_clusters={self.n_clusters!r} and "
                f"distance_threshold={self.distance_threshold!r}."
            )

    def _read_graph(
        self, X: NeighborGraph, neighbors: GivenNeighbors | None
    ) -> NeighborGraph:
        """Return the graph of the readable samples, X itself where those are all."""
        if neighbors is not None:
            raise ValueError("X is a NeighborGraph itself: leave neighbors out.")
        check_sizes(self.n_clusters, X.n_samples)
        graph = check_given(X, X.n_samples, gaps=True).nearest(self.n_neighbors)
        self.encoder_: Encoder | None = None
        self.embedding_: NDArray[np.float32] | None = None
        self.embedding_dims_: tuple[int, ...] = ()
        self.image_names_: list[str] | None = None
        self.bad_images_: list[UnreadableImage] = []
        self.neighbors_ = graph
        known = among_readable(graph, self._readable)
        check_sizes(self.n_clusters, known.n_samples)
        return known

    def _read_samples(
        self, X: Any, neighbors: GivenNeighbors | None
    ) -> tuple[NeighborGraph, Features]:
        """Return the graph and the features of the readable samples."""
        seed = int(check_random_state(self.random_state).randint(2**31))
        reader = Reader.of(X, self, seed)
        data = reader.read(X, fit=True)
        check_sizes(self.n_clusters, len(data))
        given = check_graph(neighbors, data, self)
        reader.fit(data)
        features, self.bad_images_ = reader.embed(data, fit=True)
        known = features.known()
        check_sizes(self.n_clusters, len(known))
        rows = known.to(resolve_device(self.device))
        metric = self._choose_metric(features)
        graph = find_graph(given, features, rows, seed, self, metric)
        assert graph is not None  # for mypy: there is a neighbour at least
        warn_of_doubts(rows, graph)
        self.encoder_, self.image_names_ = reader.encoder, image_names(data)
        self.embedding_, self.embedding_dims_ = features.array, features.dims
        self.neighbors_ = graph_of_all(graph, features)
        return graph, known

    def _choose_metric(self, features: Features) -> str:
        if self.metric != "auto":
            return self.metric
        few = features.array.shape[1] < FEATURES_FOR_ANGLES
        return "euclidean" if few else "cosine"

    def _grow(self, graph: NeighborGraph, features: Features | None) -> None:
        """Set the tree; where there are features, they join the parts of the graph."""
        parts = find_parts(graph)
        self.n_connected_components_ = int(parts.max()) + 1
        pairs = None
        if features is not None and self.n_connected_components_ > 1:
            pairs = joining_pairs(parts, _space(features, graph.metric))
        self.tree_ = linkage_tree(graph, pairs)
        self.children_, self.distances_ = self.tree_.children, self.tree_.distances
        self.n_leaves_ = self.tree_.n_leaves

    def _choose_number(self, graph: NeighborGraph) -> int:
        """Return the number of clusters; note the curve that "auto" read it off."""
        self.n_clusters_curve_: ClusterNumberCurve | None = None
        if self.distance_threshold is not None:
            return self.tree_.count_below(self.distance_threshold)
        if isinstance(self.n_clusters, str):
            self.n_clusters_curve_ = choose_cut(self.tree_, graph)
            return self.n_clusters_curve_.n_clusters
        assert self.n_clusters is not None  # for mypy: there is no threshold
        return self.n_clusters

    def _warn_of_parts(self) -> None:
        """Warn if clusters hold parts of the graph that only features could join."""
        n_parts = self.n_connected_components_
        if n_parts > self.n_clusters_ and self.embedding_ is not None:
            warn(
                f"The graph of neighbours falls into {n_parts} parts, more than the "
                f"{self.n_clusters_} cluster(s): their nearest pairs joined them. "
                "Raise n_neighbors to link them by more.",
                UserWarning,
            )

    def _cut(self, n_clusters: int) -> NDArray[np.int64]:
        """Return the labels of so many clusters; -1 for images that cannot be read."""
        labels = np.full(self.neighbors_.n_samples, -1, dtype=np.int64)
        labels[self._readable] = self.tree_.labels(n_clusters)
        if n_clusters < self.n_connected_components_ and self.embedding_ is None:
            raise ValueError(
                f"The graph falls into {self.n_connected_components_} parts that no "
                f"neighbours link, more than n_clusters={n_clusters}: pass the "
                "features, whose nearest pairs join them, or more neighbours."
            )
        return labels

    @property
    def _readable(self) -> NDArray[np.int64]:
        """The rows of the samples that have neighbours: all but unreadable images."""
        return np.flatnonzero(self.neighbors_.indices[:, 0] >= 0)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


def _space(features: Features, metric: str) -> Tensor:
    """Return rows whose Euclidean distances tell which samples are near."""
    rows = center_blocks(read_rows(features.array), features.dims)
    return rows if metric == "euclidean" else F.normalize(rows)
