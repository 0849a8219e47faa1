"""The neighbours of a fit: those that come with X, or those that are mined."""

from __future__ import annotations

from torch import Tensor

from sklearn_scan.clusterers.parameters import ReadingParameters
from sklearn_scan.clusterers.reading import Data
from sklearn_scan.core.features import Features, center_blocks
from sklearn_scan.core.mapped_rows import MappedRows, Rows
from sklearn_scan.core.warn import warn
from sklearn_scan.images import ImageSource
from sklearn_scan.neighbors import (
    NeighborGraph,
    among_readable,
    check_given,
    mine_neighbors,
)


def check_y(y: object) -> None:
    """Raise if a graph came in the place of labels."""
    if isinstance(y, NeighborGraph):
        raise TypeError(
            "y is for labels, which are ignored; got a NeighborGraph: pass it by name, "
            "fit(X, neighbors=graph)."
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
            f"n_clusters={n_clusters} must not exceed the number of samples, "
            f"n_samples={n_samples}."
        )


def check_graph(
    neighbors: NeighborGraph | None, data: Data, clusterer: ReadingParameters
) -> NeighborGraph | None:
    """Return the graph that came with X, checked and cut to `n_neighbors`."""
    if neighbors is None:
        return None
    if clusterer.n_neighbors == 0:
        raise ValueError(
            "n_neighbors=0 takes no neighbours, but fit was given some: leave "
            "neighbors out, or pass another n_neighbors."
        )
    gaps = isinstance(data, ImageSource) and clusterer.bad_images == "skip"
    graph = check_given(neighbors, len(data), gaps=gaps)
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
        return among_readable(given, features.readable)
    if clusterer.n_neighbors == 0:
        return None
    most = len(rows) - 1
    if clusterer.n_neighbors > most:
        warn(
            f"n_neighbors={clusterer.n_neighbors} was lowered to {most}, all the other "
            "samples: every sample is then like every other.",
            UserWarning,
        )
    several = len(features.dims) > 1
    if several and isinstance(rows, Tensor):
        rows = center_blocks(rows, features.dims)
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


def graph_of_all(graph: NeighborGraph | None, features: Features) -> NeighborGraph:
    """Return the graph of the readable samples, or an empty one, as that of all."""
    graph = graph or NeighborGraph.empty(len(features.readable))
    if len(features.readable) == len(features):
        return graph
    return graph.spread(features.readable, len(features))
