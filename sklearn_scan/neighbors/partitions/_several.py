"""Several partitions of the same samples, by different methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sklearn_scan.neighbors import NeighborGraph
from sklearn_scan.neighbors.partitions._consensus import consensus_partition
from sklearn_scan.neighbors.partitions._discriminant import (
    MOST_DIRECTIONS,
    refine_partition,
    whiten,
)
from sklearn_scan.neighbors.partitions._joint import joint_distribution
from sklearn_scan.neighbors.partitions._k_means import k_means_partition
from sklearn_scan.neighbors.partitions._linkage import linkage_tree
from sklearn_scan.neighbors.partitions._merging import merge_clusters
from sklearn_scan.neighbors.partitions._spectral import spectral_partition
from sklearn_scan.neighbors.partitions._ward import ward_partition

# Few neighbours of a class with few samples are of that class; many link the parts that
# a class may be in. With fewer than 5, a graph falls apart.
_NEIGHBORS = (5, 10, 20)
_BANDWIDTHS = (1.0, 0.25)  # of the weights of graph degree linkage
# The number of small clusters to merge, times the number of clusters; fewer for many
# clusters.
_PARTS, _PARTS_OF_MANY, _MANY_PARTS = 8, 3, 120
_LEAST_MEMBERS = 8  # samples in a small cluster, in the mean
# The time of merging grows with the cube of the number of parts.
_MOST_PARTS = 500
# That of spectral clustering grows with the square of the number of clusters.
_MANY_CLUSTERS = 150

Partitions = dict[str, NDArray[np.int64]]


def plain_partitions(
    features: NDArray[np.floating],
    graphs: Mapping[str, NeighborGraph],
    n_clusters: int,
    rng: np.random.RandomState,
    *,
    verbose: int = 0,
) -> dict[str, Partitions]:
    """Partition samples by several methods.

    Parameters
    ----------
    features : ndarray of shape (n, d)
        The samples along their principal axes, about their mean.
    graphs : mapping of str to NeighborGraph
        Graphs of their neighbours, found in different features, by name. Of each the
        nearest 5, 10 and 20 are used.
    n_clusters : int
        The number of clusters.
    rng : RandomState
        Draws what is random.
    verbose : int, default=0
        Above zero, shows a progress bar.

    Returns
    -------
    dict of dict of ndarray of int64, shape (n,)
        By name, in groups: by "distances", the partitions of k-means and Ward's
        linkage; by the name of each graph, those of spectral clustering, graph degree
        linkage and the merging of small clusters.
    """
    # No method is the best on all features. All of them use all samples at once, while
    # heads of random weights soon end in clusters close to their start.
    if n_clusters == 1:
        return {"distances": {"all samples": np.zeros(len(features), dtype=np.int64)}}
    makers = {"distances": partial(_by_distance, features)} | {
        name: partial(_by_graph, features, graph, name)
        for name, graph in graphs.items()
    }
    shown = tqdm(makers.items(), "partitions", unit="group", disable=verbose <= 0)
    return {name: make(n_clusters, rng) for name, make in shown}


def better_partitions(
    groups: Mapping[str, Partitions],
    features: NDArray[np.floating],
    n_clusters: int,
    rng: np.random.RandomState,
    *,
    verbose: int = 0,
) -> Partitions:
    """Refine partitions, and ask what they agree on.

    Parameters
    ----------
    groups : mapping of str to dict of ndarray of int64, shape (n,)
        The partitions, as from `plain_partitions`.
    features, n_clusters, rng, verbose
        As for `plain_partitions`.

    Returns
    -------
    dict of ndarray of int64, shape (n,)
        By name: each partition refined, as in `refine_partition`; the consensus of
        those of each graph and of all, both plain and refined; and each consensus
        refined.
    """
    if n_clusters == 1:
        return {}
    white = whiten(np.asarray(features, dtype=np.float32), MOST_DIRECTIONS)

    def refined(partitions: Partitions) -> Partitions:
        return {
            f"{name}, refined": refine_partition(labels, white, n_clusters)
            for name, labels in partitions.items()
        }

    shown = partial(tqdm, unit="group", disable=verbose <= 0)
    better = {
        name: refined(each)
        for name, each in shown(groups.items(), "refined partitions")
    }
    both = {name: groups[name] | each for name, each in better.items()}
    agreed = {f"consensus of {name}": each for name, each in both.items()}
    del agreed["consensus of distances"]  # two methods are too few
    agreed["consensus"] = join_partitions(both.values())
    consensus = {
        name: consensus_partition([*each.values()], n_clusters, rng)
        for name, each in shown(agreed.items(), "consensus")
    }
    return join_partitions([*better.values(), consensus, refined(consensus)])


def join_partitions(groups: Iterable[Partitions]) -> Partitions:
    """Return the partitions of all groups, by name."""
    return {name: labels for each in groups for name, labels in each.items()}


def _by_distance(
    features: NDArray[np.floating], n_clusters: int, rng: np.random.RandomState
) -> Partitions:
    return {
        "k-means": k_means_partition(features, n_clusters, rng),
        "Ward": ward_partition(features, n_clusters, rng),
    }


def _by_graph(
    features: NDArray[np.floating],
    graph: NeighborGraph,
    name: str,
    n_clusters: int,
    rng: np.random.RandomState,
) -> Partitions:
    numbers = sorted({min(number, graph.n_neighbors) for number in _NEIGHBORS})
    graphs = {f"{number} {name}": graph.nearest(number) for number in numbers}
    found = {}
    for of_name, each in graphs.items():
        if n_clusters <= _MANY_CLUSTERS:
            found[f"spectral, {of_name}"] = spectral_partition(each, n_clusters, rng)
        for bandwidth in _BANDWIDTHS:
            tree = linkage_tree(each, bandwidth=bandwidth)
            found[f"linkage {bandwidth}, {of_name}"] = tree.labels(n_clusters)
    return found | _by_merging(features, graphs, n_clusters, rng)


def _by_merging(
    features: NDArray[np.floating],
    graphs: Mapping[str, NeighborGraph],
    n_clusters: int,
    rng: np.random.RandomState,
) -> Partitions:
    """Return small clusters of k-means, merged by information."""
    n_parts = min(_PARTS * n_clusters, max(_PARTS_OF_MANY * n_clusters, _MANY_PARTS))
    n_parts = min(n_parts, len(features) // _LEAST_MEMBERS)
    if not n_clusters < n_parts <= _MOST_PARTS:
        return {}
    parts = k_means_partition(features, n_parts, rng)
    name, graph = [*graphs.items()][-1]
    joint = joint_distribution(parts, graph)
    return {f"merging, {name}": merge_clusters(joint, n_clusters)[parts]}
