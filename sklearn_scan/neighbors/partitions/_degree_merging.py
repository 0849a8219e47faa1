"""Graph degree linkage: clusters are merged by the paths between them.

Sources: W. Zhang, X. Wang, D. Zhao and X. Tang, "Graph Degree Linkage: Agglomerative
Clustering on a Directed Graph", ECCV 2012, equations 1 to 6; as in J. Yang, D. Parikh
and D. Batra, "Joint Unsupervised Learning of Deep Representations and Image Clusters",
CVPR 2016, section 3.
"""

from __future__ import annotations

import heapq
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class Merge(NamedTuple):
    """Two clusters that become one, and how near they were.

    Clusters are numbered from 0; the first merge makes the next number.
    """

    first: int
    second: int
    affinity: float


def merge_by_degree(weights: csr_array, labels: NDArray[np.integer]) -> list[Merge]:
    r"""Merge clusters two at a time, those of the highest affinity first.

    With :math:`f_a(i) = \sum_{j \in a} w_{ij}`, the affinity of two clusters is

    .. math:: A(a, b) = \frac{1}{|a|^2} \sum_{i \in b} f_a(i)^2
              + \frac{1}{|b|^2} \sum_{i \in a} f_b(i)^2

    the paths of two steps that leave a cluster, enter the other and come back. Of two
    clusters the smaller is moved, so that n samples take n log(n) steps.

    Parameters
    ----------
    weights : csr_array of shape (n, n)
        The symmetric weights of the graph.
    labels : ndarray of int, shape (n,)
        The clusters to begin with, from 0 without gaps.

    Returns
    -------
    list of Merge
        Until one cluster is left, or nothing links those that are.
    """
    clusters = _Clusters(weights, np.asarray(labels))
    merges: list[Merge] = []
    while merge := clusters.join_closest():
        merges.append(merge)
    return merges


class _Clusters:
    """Clusters that are merged, and how near those are that neighbours link."""

    # Of two clusters, the one with less to visit is moved into the other, whose place
    # in the lists the new one has. So each sample is visited log(n) times at most.
    def __init__(self, weights: csr_array, labels: NDArray[np.int64]) -> None:
        n_samples, n_clusters = len(labels), int(labels.max()) + 1
        ones = np.ones(n_samples), (labels, np.arange(n_samples))
        members = csr_array(ones, shape=(n_clusters, n_samples))
        links = csr_array(members @ weights)
        self._labels = labels.tolist()
        self._names = list(range(n_clusters))  # the numbers that `Merge` has
        self._next_name = n_clusters
        self._members = [list(rows) for rows in _split(members)]
        self._links = _split(links)  # f_a, outside of a
        # of a and b, the sum of f_a(i)^2 over the members i of b
        self._shared = _split(csr_array(links.power(2) @ members.T))
        self._queue: list[tuple[float, int, int]] = []
        for sample, cluster in enumerate(self._labels):
            self._links[cluster].pop(sample, None)
        for cluster, shared in enumerate(self._shared):
            shared.pop(cluster, None)
            self._queue += [
                (-self._affinity(cluster, other), cluster, other)
                for other in shared
                if other > cluster
            ]
        heapq.heapify(self._queue)

    def _affinity(self, one: int, other: int) -> float:
        there = self._shared[one][other] / len(self._members[one]) ** 2
        return there + self._shared[other][one] / len(self._members[other]) ** 2

    def join_closest(self) -> Merge | None:
        """Merge the clusters of the highest affinity; None if none are linked."""
        while self._queue:
            queued, one, other = heapq.heappop(self._queue)
            if not (self._members[one] and self._members[other]):
                continue  # merged into another
            affinity = self._affinity(one, other)
            if -queued == affinity:
                merge = Merge(self._names[one], self._names[other], affinity)
                self._join(one, other)
                return merge
            # Growth lowers an affinity: it waits again. Whatever raises one queues it.
            if -queued > affinity:
                heapq.heappush(self._queue, (-affinity, one, other))
        return None

    def _join(self, one: int, other: int) -> None:
        """Move the cluster with less to visit into the other."""
        small, large = sorted((one, other), key=self._count_visits)
        self._move_links(small, large)
        for sample in self._members[small]:
            self._links[large].pop(sample, None)
            self._labels[sample] = large
        self._members[large] += self._members[small]
        self._names[large] = self._next_name
        self._next_name += 1
        near = self._shared[small]
        del near[large], self._shared[large][small]
        for cluster in near:
            back = self._shared[cluster]
            back[large] = back.get(large, 0.0) + back.pop(small)
            self._queue_pair(large, cluster)
        self._members[small], self._links[small], self._shared[small] = [], {}, {}

    def _count_visits(self, cluster: int) -> tuple[int, int]:
        return len(self._links[cluster]) + len(self._members[cluster]), cluster

    def _move_links(self, small: int, large: int) -> None:
        """Add f of the small cluster to that of the large one, outside of both."""
        links, shared = self._links[large], self._shared[large]
        for sample, value in self._links[small].items():
            owner = self._labels[sample]
            if owner != large:
                before = links.get(sample, 0.0)
                links[sample] = before + value
                gain = (before + value) ** 2 - before**2
                shared[owner] = shared.get(owner, 0.0) + gain

    def _queue_pair(self, one: int, other: int) -> None:
        first, second = min(one, other), max(one, other)
        entry = -self._affinity(one, other), first, second
        heapq.heappush(self._queue, entry)


def _split(rows: csr_array) -> list[dict[int, float]]:
    """Return the columns and the values of each row."""
    columns, values = rows.indices.tolist(), rows.data.tolist()
    return [
        dict(zip(columns[start:end], values[start:end], strict=True))
        for start, end in pairwise(rows.indptr.tolist())
    ]
