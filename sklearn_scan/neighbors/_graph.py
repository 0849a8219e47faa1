"""The graph of nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from torch import Tensor

from sklearn_scan.core.validation import check_option
from sklearn_scan.neighbors._graph_file import (
    METRICS,
    MmapMode,
    check_indices,
    read_graph,
    write_graph,
)


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class NeighborGraph:
    """The nearest neighbours of every sample, most similar first.

    Parameters
    ----------
    indices : ndarray of int64, shape (n, n_neighbors)
        The neighbours of each sample; a sample is never its own neighbour. -1 means
        that there is no neighbour, for example for images that cannot be read.
    similarities : ndarray of float32, shape (n, n_neighbors)
        Their cosine similarities, from -1 to 1, or negative Euclidean distances; NaN if
        there is no neighbour.
    method : str, default="precomputed"
        The method of the search.
    recall_ : float or None, default=None
        The share of true neighbours among them: 1 for an exact search; for an
        approximate search it is measured on a sample; None if it is unknown.
    metric : {"cosine", "euclidean"}, default="cosine"
        The kind of the similarities.

    Raises
    ------
    TypeError
        If indices or similarities are not arrays, the method is not a text, or the
        recall is not a number.
    ValueError
        If the arrays are not of one shape (n, n_neighbors), indices not integers, or
        the metric is another.

    Examples
    --------
    >>> import numpy as np
    >>> similarities = np.array([[0.9], [0.9], [0.5]], dtype=np.float32)
    >>> NeighborGraph(np.array([[1], [0], [1]]), similarities).mutual().toarray()
    array([[0., 1., 0.],
           [1., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """

    indices: NDArray[np.int64]
    similarities: NDArray[np.float32]
    method: str = "precomputed"
    recall_: float | None = None
    metric: str = "cosine"

    def __post_init__(self) -> None:
        for array in (self.indices, self.similarities):
            if not isinstance(array, np.ndarray):
                raise TypeError(
                    "indices and similarities must be NumPy arrays; got "
                    f"{type(array).__name__}."
                )
        shapes = self.indices.shape, self.similarities.shape
        if len(shapes[0]) != 2 or shapes[0] != shapes[1]:
            raise ValueError(
                "indices and similarities must have one shape, (n, n_neighbors); got "
                f"{shapes[0]} and {shapes[1]}."
            )
        if not np.issubdtype(self.indices.dtype, np.integer):
            raise ValueError(f"indices must be integers; got {self.indices.dtype}.")
        if not isinstance(self.method, str):
            raise TypeError(f"method must be a str; got {type(self.method).__name__}.")
        check_option("metric", self.metric, METRICS)
        if self.recall_ is not None:  # as a number of Python, which a file can hold
            object.__setattr__(self, "recall_", float(self.recall_))

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return int(self.indices.shape[0])

    @property
    def n_neighbors(self) -> int:
        """The number of neighbours of each sample."""
        return int(self.indices.shape[1])

    def distances(self) -> NDArray[np.float32]:
        """Return the Euclidean distances of the neighbours.

        Returns
        -------
        ndarray of float32, shape (n, n_neighbors)
            NaN if there is no neighbour. With cosines, these are the distances of
            vectors of length one: the root of two minus twice the similarity.

        Examples
        --------
        >>> import numpy as np
        >>> similarities = np.array([[0.5], [0.5]], dtype=np.float32)
        >>> NeighborGraph(np.array([[1], [0]]), similarities).distances()
        array([[1.],
               [1.]], dtype=float32)
        """
        similarities = np.asarray(self.similarities, np.float64)
        if self.metric == "euclidean":
            distances = np.abs(similarities)
        else:
            distances = np.sqrt((2 - 2 * similarities).clip(0))
        return distances.astype(np.float32)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw one neighbour of every sample, uniformly.

        Returns
        -------
        Tensor of int64, shape (n,)
            The index of the drawn neighbour.
        """
        shape = (self.n_samples,)
        columns = torch.randint(self.n_neighbors, shape, generator=generator).numpy()
        return torch.from_numpy(self.indices[np.arange(self.n_samples), columns])

    def agreeing(self, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Tell which neighbours have the label of their sample.

        Parameters
        ----------
        labels : ndarray of int, shape (n,)
            The cluster of each sample.

        Returns
        -------
        ndarray of bool, shape (n, n_neighbors)
        """
        agreeing: NDArray[np.bool_] = labels[self.indices] == labels[:, np.newaxis]
        return agreeing

    def nearest(self, n_neighbors: int) -> NeighborGraph:
        """Return the graph of the `n_neighbors` most similar neighbours, or of all.

        Raises
        ------
        ValueError
            If `n_neighbors` is negative.
        """
        if n_neighbors < 0:
            raise ValueError(f"n_neighbors must be 0 or more; got {n_neighbors}.")
        near = slice(n_neighbors)
        return replace(
            self, indices=self.indices[:, near], similarities=self.similarities[:, near]
        )

    @classmethod
    def empty(cls, n_samples: int) -> NeighborGraph:
        """Return a graph of samples without neighbours."""
        shape = (n_samples, 0)
        return cls(np.empty(shape, np.int64), np.empty(shape, np.float32))

    def spread(self, rows: NDArray[np.int64], n_samples: int) -> NeighborGraph:
        """Return a larger graph, which contains the samples of this graph.

        Parameters
        ----------
        rows : ndarray of int64, shape (n,)
            The new numbers of this graph's samples.
        n_samples : int
            The number of all samples.

        Returns
        -------
        NeighborGraph
            With `n_samples` rows. The other samples have neighbours of -1 and
            similarities of NaN.
        """
        shape = (n_samples, self.n_neighbors)
        indices = np.full(shape, -1, dtype=np.int64)
        similarities = np.full(shape, np.nan, dtype=np.float32)
        indices[rows] = rows[self.indices]
        similarities[rows] = self.similarities
        return replace(self, indices=indices, similarities=similarities)

    def symmetrized(self) -> csr_array:
        """Return the undirected graph, as affinities of samples.

        Returns
        -------
        csr_array of float32, shape (n, n)
            1 for two samples that are neighbours of each other, and 1/2 if only one is
            the other's neighbour.
        """
        directed = self._adjacency()
        return csr_array((directed + directed.T) * np.float32(0.5))

    def mutual(self) -> csr_array:
        """Return the graph of samples that are neighbours of each other.

        Returns
        -------
        csr_array of float32, shape (n, n)
            1 for such two samples.
        """
        directed = self._adjacency()
        return csr_array(directed.multiply(directed.T))

    def to_scipy(self) -> csr_matrix:
        """Return the graph for scikit-learn's `metric="precomputed"`.

        As in the graph of a `KNeighborsTransformer`, each row has the sample itself, at
        a distance of zero, and then its neighbours.

        Returns
        -------
        csr_matrix of float64, shape (n, n)
            Cosine distances, from 0 to 2: one minus the similarity. For a Euclidean
            graph, the Euclidean distances.

        Examples
        --------
        >>> from sklearn.cluster import DBSCAN
        >>> from sklearn.datasets import load_digits
        >>> from sklearn_scan.neighbors import mine_neighbors
        >>> graph = mine_neighbors(load_digits().data, center=True)
        >>> found = DBSCAN(eps=0.2, metric="precomputed").fit(graph.to_scipy())
        >>> len(set(found.labels_)) > 10
        True
        """
        itself = np.arange(self.n_samples)[:, np.newaxis]
        # in scikit-learn's type: to convert it, SciPy would sort the columns
        similarities = self.similarities.astype(np.float64)
        is_cosine = self.metric == "cosine"
        distances = (1 - similarities).clip(0, 2) if is_cosine else -similarities
        return csr_matrix(
            _to_csr(
                np.hstack([itself, self.indices]),
                np.hstack([np.zeros_like(distances, shape=itself.shape), distances]),
            )
        )

    def save(self, path: str | Path) -> None:
        """Write the graph as a folder: two .npy files and a JSON document.

        Parameters
        ----------
        path : path
            The folder. An existing graph is replaced after the new one is complete.

        Raises
        ------
        ValueError
            If an index is not that of a sample.
        FileExistsError
            If the folder holds something else.
        OSError
            If it cannot be written, or the disk has too little room.
        """
        fields = self.indices, self.similarities, self.method, self.recall_, self.metric
        write_graph(Path(path), fields)

    @classmethod
    def load(
        cls, path: str | Path, *, mmap_mode: MmapMode | None = None
    ) -> NeighborGraph:
        """Read a saved graph; nothing in its files is executed.

        Parameters
        ----------
        path : path
            The folder.
        mmap_mode : {"r", "c"} or None, default=None
            How to map the files into memory, as in `numpy.load`, for a graph that is
            larger than memory. None reads all of it into memory, and checks all of it
            for damage. Of mapped files, only sizes and indices are checked.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ModelFileError
            If the folder does not hold a graph, or a damaged one, or one of another
            version.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> graph = NeighborGraph(np.array([[1], [0]]), np.ones((2, 1), np.float32))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     graph.save(Path(folder) / "graph")
        ...     again = NeighborGraph.load(Path(folder) / "graph")
        >>> again.indices.tolist()
        [[1], [0]]
        """
        return cls(*read_graph(Path(path), mmap_mode))

    def _adjacency(self) -> csr_array:
        """Return ones from each sample to its neighbours."""
        return _to_csr(self.indices, np.ones(self.indices.shape, np.float32))


def _to_csr(columns: NDArray[np.int64], values: NDArray[np.float32]) -> csr_array:
    """Return a sparse matrix (n, n), from the columns and values of each row."""
    check_indices(columns)  # beyond the matrix, SciPy would write beyond its memory
    known = columns >= 0
    ends = np.concatenate([[0], known.sum(axis=1).cumsum()])
    shape = (len(columns), len(columns))
    # some estimators of scikit-learn take int32 only
    is_narrow = max(len(columns), ends[-1]) <= np.iinfo(np.int32).max
    dtype = np.int32 if is_narrow else np.int64
    parts = values[known], columns[known].astype(dtype), ends.astype(dtype)
    return csr_array(parts, shape=shape)
