"""The neighbours of a fit: those that come with X, or those that are mined."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import ArrayLike
from scipy.sparse import issparse
from torch import Tensor

from sklearn_scan.clusterers.parameters import ReadingParameters
from sklearn_scan.clusterers.reading import Data
from sklearn_scan.core.features import Features, center_blocks
from sklearn_scan.core.mapped_rows import MappedRows, Rows
from sklearn_scan.core.warn import warn
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.images import ImageSource
from sklearn_scan.neighbors import (
    NeighborGraph,
    among_readable,
    check_given,
    compare,
    graph_from_arrays,
    is_compared,
    mine_neighbors,
)

# What `fit` takes for neighbours; SciPy's sparse matrices have no types.
GivenNeighbors: TypeAlias = NeighborGraph | ArrayLike | Any


def check_y(y: object) -> None:
    """Raise if a graph came in the place of labels."""
    if isinstance(y, NeighborGraph) or issparse(y):
        raise TypeError(
            f"y is for labels, which are ignored; got a {type(y).__name__}: pass it by "
            "name, fit(X, neighbors=graph)."
        )


def check_sizes(n_clusters: int | str | None, n_samples: int) -> None:
    """Raise if there are too few samples, to have neighbours or for the clusters."""
    if n_samples < 2:
        raise ValueError(
            f"X holds {n_samples} sample(s) (n_samples = {n_samples}), while a minimum "
            "of 2 is required to find neighbours."
        )
    if n_clusters is None or isinstance(n_clusters, str):
        return
    if n_clusters > n_samples:
        raise ValueError(
            Message(
                "{} must not exceed the number of {}, {}.",
                Setting("n_clusters", n_clusters),
                *(Advice("samples", "samples"), n_samples),
            )
        )


def check_graph(
    neighbors: GivenNeighbors | None, data: Data, clusterer: ReadingParameters
) -> NeighborGraph | None:
    """Return the graph that came with X, checked and cut to `n_neighbors`.

    Its similarities are NaN if only `find_graph` can know them, from the features.
    """
    if neighbors is None:
        return None
    if clusterer.n_neighbors == 0:
        raise ValueError(
            "n_neighbors=0 takes no neighbours, but fit was given some: leave "
            "neighbors out, or pass another n_neighbors."
        )
    gaps = isinstance(data, ImageSource) and clusterer.bad_images == "skip"
    read = check_given if isinstance(neighbors, NeighborGraph) else graph_from_arrays
    graph = read(neighbors, len(data), gaps=gaps)
    return graph.nearest(clusterer.n_neighbors)


def find_graph(
    given: NeighborGraph | None,
    features: Features,
    rows: Rows,
    seed: int,
    clusterer: ReadingParameters,
    metric: str = "cosine",
) -> NeighborGraph | None:
    """Return the neighbours among the readable samples; None with `n_neighbors=0`."""
    if given is not None:
        graph = among_readable(given, features.readable)
        if is_compared(graph):
            return graph
        return compare(graph, _equal_weights(rows, features.dims), metric)
    if clusterer.n_neighbors == 0:
        return None
    most = len(rows) - 1
    if clusterer.n_neighbors > most:
        warn(_few_samples(clusterer.n_neighbors, len(rows)), UserWarning)
    several = len(features.dims) > 1
    rows = _equal_weights(rows, features.dims)
    return mine_neighbors(
        rows.array if isinstance(rows, MappedRows) else rows,
        min(clusterer.n_neighbors, most),
        method=clusterer.neighbor_method,
        metric=metric,
        # Angles about the mean: embeddings share a direction that tells nothing apart.
        center=not several,
        device=clusterer.device,
        random_state=seed,
        verbose=clusterer.verbose,
    )


def _few_samples(n_neighbors: int, n_samples: int) -> Message:
    """Return the warning that a sample has no more neighbours than all the others."""
    if n_neighbors != ReadingParameters.n_neighbors:
        return Message(
            "{} was lowered to {}: there are only {} {}.",
            Setting("n_neighbors", n_neighbors),
            *(n_samples - 1, n_samples, Advice("samples", "samples")),
        )
    if n_samples == 2:
        return Message(
            "You have only 2 {}, so each has only 1 neighbour. The clusters mean "
            "nothing.",
            Advice("samples", "samples"),
        )
    return Message(
        "You have only {} {}, so each has all the others as neighbours. The clusters "
        "mean little.",
        *(n_samples, Advice("samples", "samples")),
    )


def _equal_weights(rows: Rows, dims: tuple[int, ...]) -> Rows:
    """Return the rows of several encoders with equal weight for each."""
    if len(dims) > 1 and isinstance(rows, Tensor):
        return center_blocks(rows, dims)
    return rows


def graph_of_all(graph: NeighborGraph | None, features: Features) -> NeighborGraph:
    """Return the graph of the readable samples, or an empty one, as that of all."""
    graph = graph or NeighborGraph.empty(len(features.readable))
    if len(features.readable) == len(features):
        return graph
    return graph.spread(features.readable, len(features))
