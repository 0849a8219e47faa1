"""The search for nearest neighbours."""

from __future__ import annotations

import sys

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_scan.core.device import resolve_device
from sklearn_scan.core.random import RandomState
from sklearn_scan.core.threads import free_threads
from sklearn_scan.core.validation import (
    check_count,
    check_option,
    check_real,
    check_verbose,
)
from sklearn_scan.neighbors._all_pairs import compare_all_pairs
from sklearn_scan.neighbors._approximate import approximate_neighbors
from sklearn_scan.neighbors._exact import exact_neighbors, search_by_faiss
from sklearn_scan.neighbors._graph import NeighborGraph
from sklearn_scan.neighbors._graph_file import METRICS
from sklearn_scan.neighbors._methods import (
    APPROXIMATE,
    METHODS,
    check_faiss,
    check_memory,
    choose_method,
)
from sklearn_scan.neighbors._points import Points
from sklearn_scan.neighbors._unit_vectors import UnitVectors
from sklearn_scan.neighbors._vectors import as_table


@free_threads()
def mine_neighbors(
    features: NDArray[np.floating] | Tensor,
    n_neighbors: int = 20,
    *,
    method: str = "auto",
    metric: str = "cosine",
    center: bool = False,
    target_recall: float = 0.95,
    device: str | torch.device = "auto",
    random_state: RandomState = None,
    verbose: int = 0,
) -> NeighborGraph:
    """Find the nearest neighbours by cosine similarity or Euclidean distance.

    Parameters
    ----------
    features : array or Tensor of shape (n, d)
        The embedding of each sample: real numbers of any type and memory order, or a
        memmap. It is read in blocks and never copied whole, except by the index of an
        approximate method. A row of zeros has cosine similarity zero to all others.
    n_neighbors : int, default=20
        The number of neighbours, less than n.
    method : {"auto", "exact", "flat", "ivf_flat", "ivf_sq8"}, default="auto"
        "exact" compares all pairs with torch, "flat" with faiss. "ivf_flat" and
        "ivf_sq8" are faiss's inverted files [1]_: they compare a sample only with those
        in the lists of the nearest centres. The index of "ivf_sq8" stores eight bits
        for each number, a quarter of the memory; the similarities are then computed in
        full precision. "auto" is "exact" if that takes about a minute at most. If not,
        it is "ivf_sq8", or "ivf_flat" if its index is small.
    metric : {"cosine", "euclidean"}, default="cosine"
        The similarity: the cosine, or the negative Euclidean distance. With Euclidean
        distances, "exact" and "flat" compare some samples again in double precision, if
        single precision is not exact enough. This takes longer, but small distances
        between samples that are far from most others are then correct.
    center : bool, default=False
        Whether to subtract the mean of all samples first, as the clusterers do.
        Euclidean distances do not change.
    target_recall : float in (0, 1], default=0.95
        The share of the true neighbours that an approximate method must find. It
        searches more and more lists until two things are true: the recall of 1,000
        samples, whose true neighbours are known, is higher by two standard errors; and
        the recall of 1,000 other samples, which is `recall_`, reaches it.
    device : str or torch.device, default="auto"
        The device of "exact"; "auto" prefers CUDA. faiss computes on the CPU; its lists
        use CUDA if it was built for that. MPS has no double precision, so the CPU is
        used instead.
    random_state : int, RandomState or None, default=None
        The seed of an approximate method, and of the samples for its recall. With the
        same int and the same number of threads, the graph is the same.
    verbose : int, default=0
        If it is above zero, the method and the progress are shown.

    Returns
    -------
    NeighborGraph
        Indices and similarities of shape (n, n_neighbors), with the `method` of the
        search, its `recall_` and the `metric`. If similarities are equal, the smallest
        indices come first; faiss may return others.

    Raises
    ------
    ValueError
        If `features` is not 2-D or not finite (the rows are named), or if `n_neighbors`
        is not below n, or if Euclidean distances exceed the range of float32.
    ImportError
        If the method needs faiss, which is not installed.
    OutOfMemoryError
        If the graph and the index need more memory than is free.

    Warns
    -----
    UserWarning
        If an approximate method does not reach `target_recall`.

    References
    ----------
    .. [1] M. Douze et al., "The Faiss library", arXiv:2401.08281, sections 4 and 5.

    Examples
    --------
    >>> import numpy as np
    >>> angles = np.deg2rad([0, 10, 30, 180])
    >>> graph = mine_neighbors(np.c_[np.cos(angles), np.sin(angles)], n_neighbors=1)
    >>> graph.indices.ravel()
    array([1, 0, 1, 2])
    >>> graph.method, graph.recall_
    ('exact', 1.0)
    >>> points = np.array([[0.0], [1.0], [3.0]])
    >>> mine_neighbors(points, n_neighbors=1, metric="euclidean").distances().ravel()
    array([1., 1., 2.], dtype=float32)
    """
    check_option("method", method, METHODS)
    check_option("metric", metric, METRICS)
    n_neighbors = check_count("n_neighbors", n_neighbors)
    check_real("target_recall", target_recall, minimum=0, maximum=1, boundaries="right")
    check_verbose(verbose)
    table, device = as_table(features), _resolve(device)
    n_samples, dim = table.shape
    if n_neighbors >= n_samples:
        raise ValueError(
            f"n_neighbors must be below the number of samples, {n_samples}; "
            f"got {n_neighbors}."
        )
    if method == "auto":
        method = choose_method(n_samples, dim, device)
        if verbose > 0:
            tqdm.write(f"neighbours: {n_samples:,} x {dim}, {method}", file=sys.stderr)
    check_faiss(method)
    # faiss's results are on the CPU, and so are the vectors they are compared with
    place = device if method == "exact" else torch.device("cpu")
    check_memory(method, n_samples, dim, n_neighbors, place)
    is_cosine = metric == "cosine"
    vectors = (
        UnitVectors(table, place, center=center) if is_cosine else Points(table, place)
    )
    recall = 1.0
    if method in APPROXIMATE:
        similarities, indices, recall = approximate_neighbors(
            vectors,
            n_neighbors,
            compressed=method == "ivf_sq8",
            target_recall=target_recall,
            rng=check_random_state(random_state),
            device=device,
            verbose=verbose,
        )
    elif method == "flat":
        similarities, indices = exact_neighbors(
            vectors, np.arange(n_samples), n_neighbors, search_by_faiss, verbose=verbose
        )
    else:
        similarities, indices = compare_all_pairs(vectors, n_neighbors, verbose=verbose)
    similarities = vectors.restore(similarities)
    return NeighborGraph(indices.numpy(), similarities.numpy(), method, recall, metric)


def _resolve(device: str | torch.device) -> torch.device:
    resolved = resolve_device(device)
    return torch.device("cpu") if resolved.type == "mps" else resolved
