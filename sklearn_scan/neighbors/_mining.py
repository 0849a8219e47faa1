"""The search for nearest neighbours."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import Tensor
from tqdm import tqdm

from sklearn_scan.core.device import resolve_device
from sklearn_scan.core.validation import (
    check_count,
    check_option,
    check_real,
    check_verbose,
)
from sklearn_scan.neighbors._all_pairs import compare_all_pairs
from sklearn_scan.neighbors._approximate import approximate_neighbors
from sklearn_scan.neighbors._exact import FaissSearch, exact_neighbors
from sklearn_scan.neighbors._graph import NeighborGraph
from sklearn_scan.neighbors._methods import (
    APPROXIMATE,
    METHODS,
    check_faiss,
    check_memory,
    choose_method,
)
from sklearn_scan.neighbors._vectors import UnitVectors, as_table

__all__ = ["mine_neighbors"]


def mine_neighbors(
    features: NDArray[np.floating] | Tensor,
    n_neighbors: int = 20,
    *,
    method: str = "auto",
    center: bool = False,
    target_recall: float = 0.95,
    device: str | torch.device = "auto",
    random_state: Any = None,
    verbose: int = 0,
) -> NeighborGraph:
    """Find the nearest neighbours by cosine similarity.

    Parameters
    ----------
    features : array or Tensor of shape (n, d)
        The embedding of each sample: numbers of any type and order in memory, a memory
        map too. It is read in blocks and never copied whole, unless by the index of an
        approximate method. A row of zeros is equally unlike all others.
    n_neighbors : int, default=20
        The number of neighbours, less than n.
    method : {"auto", "exact", "flat", "ivf_flat", "ivf_sq8"}, default="auto"
        "exact" compares all pairs, by torch; "flat" does so by faiss. "ivf_flat" and
        "ivf_sq8" are faiss's inverted files [1]_: they compare a sample with those in
        the lists about the nearest centres. "ivf_sq8" keeps eight bits of a number in
        its index, a quarter of the memory; similarities are computed anew in full.
        "auto" is exact where that takes about a minute at most, and else "ivf_sq8", or
        "ivf_flat" where its index is small.
    center : bool, default=False
        Whether to see angles from the mean of all samples, in the place of the origin,
        as the clusterers do.
    target_recall : float in (0, 1], default=0.95
        The share of the true neighbours that an approximate method is to find. More
        lists are looked at until 1,000 samples, of which the true neighbours are
        known, have it for sure, and 1,000 others, on which `recall_` is measured.
    device : str or torch.device, default="auto"
        Where "exact" computes; "auto" prefers CUDA. faiss computes on the CPU, but for
        lists where it was built for CUDA; and so does all that MPS was asked for, which
        has no double precision.
    random_state : int, RandomState or None, default=None
        Draws where an approximate method begins, and the samples that it is measured
        on. With the same int, and as many threads, the graph is the same.
    verbose : int, default=0
        Above zero, says which method was chosen, and shows progress.

    Returns
    -------
    NeighborGraph
        Indices and similarities of shape (n, n_neighbors); `method` and `recall_` say
        how they were found. Of equal similarities those of the smallest indices come
        first; by faiss, of those that it finds.

    Raises
    ------
    ValueError
        If `features` is not 2-D or not finite (the rows are named), or if `n_neighbors`
        is not below n.
    ImportError
        If the method is faiss's, and faiss is not installed.
    MemoryError
        If the graph and the index need more memory than is free; says how much.

    Warns
    -----
    UserWarning
        If an approximate method falls short of `target_recall`.

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
    """
    check_option("method", method, METHODS)
    check_count("n_neighbors", n_neighbors)
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
    # what faiss finds is on the CPU, and so is what it is compared with
    place = device if method == "exact" else torch.device("cpu")
    check_memory(method, n_samples, dim, n_neighbors, place)
    vectors = UnitVectors(table, place, center=center)
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
            vectors, np.arange(n_samples), n_neighbors, FaissSearch(), verbose=verbose
        )
    else:
        similarities, indices = compare_all_pairs(vectors, n_neighbors, verbose=verbose)
    return NeighborGraph(indices.numpy(), similarities.numpy(), method, recall)


def _resolve(device: str | torch.device) -> torch.device:
    resolved = resolve_device(device)
    return torch.device("cpu") if resolved.type == "mps" else resolved
