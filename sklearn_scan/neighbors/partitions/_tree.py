"""The tree of merges that a hierarchical clustering leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sklearn_scan.core.validation import check_count


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class ClusterTree:
    """The merges of leaves into one cluster, two at a time, in scikit-learn's form.

    Leaves are numbered from 0 to n_leaves - 1; merge number i makes node n_leaves + i.

    Parameters
    ----------
    children : ndarray of int64, shape (n_leaves - 1, 2)
        The two nodes of each merge, in the order of the merges.
    distances : ndarray of float64, shape (n_leaves - 1,)
        The height of each merge; they never fall.

    Examples
    --------
    >>> tree = ClusterTree(np.array([[0, 1], [2, 3]]), np.array([0.5, 2.0]))
    >>> tree.labels(2), tree.count_below(2.0)
    (array([0, 0, 1]), 2)
    """

    children: NDArray[np.int64]
    distances: NDArray[np.float64]

    @property
    def n_leaves(self) -> int:
        """The number of leaves."""
        return len(self.children) + 1

    def labels(self, n_clusters: int) -> NDArray[np.int64]:
        """Return the clusters of the leaves where so many are left.

        Parameters
        ----------
        n_clusters : int
            From 1 to the number of leaves.

        Returns
        -------
        ndarray of int64, shape (n_leaves,)
            Cluster 0 has the most leaves; of equal ones the first leaf decides.

        Raises
        ------
        ValueError
            If there are fewer leaves than clusters.
        """
        if check_count("n_clusters", n_clusters) > self.n_leaves:
            raise ValueError(
                f"n_clusters={n_clusters} must not exceed the number of leaves of the "
                f"tree, {self.n_leaves}."
            )
        made = self.children[: self.n_leaves - n_clusters]
        nodes = self.n_leaves + np.arange(len(made))
        n_nodes = self.n_leaves + len(made)
        edges = np.ones(made.size, dtype=bool), (made.ravel(), nodes.repeat(2))
        graph = coo_array(edges, shape=(n_nodes, n_nodes))
        _, parts = connected_components(graph, directed=False)
        return number_by_size(parts[: self.n_leaves])

    def count_below(self, distance: float) -> int:
        """Return the number of clusters that merges below a height leave."""
        return self.n_leaves - int(np.searchsorted(self.distances, distance))

    def to_scipy(self) -> NDArray[np.float64]:
        """Return the linkage matrix that SciPy's hierarchy tools take.

        Returns
        -------
        ndarray of float64, shape (n_leaves - 1, 4)
            The two nodes, the height and the number of leaves of each merge.
        """
        sizes = np.ones(self.n_leaves + len(self.children))
        for node, pair in enumerate(self.children, start=self.n_leaves):
            sizes[node] = sizes[pair].sum()
        merged = sizes[self.n_leaves :]
        matrix: NDArray[np.float64] = np.column_stack(
            [self.children, self.distances, merged]
        )
        return matrix


def number_by_size(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return labels without gaps, from the largest cluster; of equal ones the first."""
    _, firsts, places, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank: NDArray[np.int64] = np.argsort(np.lexsort((firsts, -sizes)))
    return rank[places]
