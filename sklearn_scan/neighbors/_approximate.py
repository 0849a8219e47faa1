"""Approximate search, with a measured recall."""

from __future__ import annotations

import sys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from sklearn_scan.core.warn import warn
from sklearn_scan.neighbors._by_workers import collect_by_workers, suits_workers
from sklearn_scan.neighbors._exact import TorchSearch, exact_neighbors
from sklearn_scan.neighbors._inverted_files import InvertedFiles
from sklearn_scan.neighbors._refine import AnyVectors, collect
from sklearn_scan.neighbors._search import Search

# Samples whose true neighbours are found, to measure the recall. More lists are
# searched until the recall of one half of them exceeds the target by this many standard
# errors, and that of the other half, which is reported, reaches it.
_MEASURED, _SURE = 2000, 2


def approximate_neighbors(
    vectors: AnyVectors,
    k: int,
    *,
    compressed: bool,
    target_recall: float,
    rng: np.random.RandomState,
    device: torch.device,
    verbose: int = 0,
) -> tuple[Tensor, Tensor, float]:
    """Return the neighbours of every sample, and the share of true ones among them."""
    drawn = rng.permutation(len(vectors))[:_MEASURED]
    true, _ = exact_neighbors(vectors, drawn, k, TorchSearch())
    files = InvertedFiles(vectors, compressed=compressed, rng=rng, device=device)
    search = Search(vectors, k, files, compressed)
    n_probes, recall = _choose_probes(search, drawn, true[:, -1:], target_recall)
    if verbose > 0:
        tqdm.write(
            f"neighbours: recall {recall:.3f} with {n_probes} of {files.n_lists} lists",
            file=sys.stderr,
        )
    if suits_workers(search):
        found = collect_by_workers(search, n_probes, verbose=verbose)
    else:
        found = collect(
            files.order, k, lambda rows: search(rows, n_probes), verbose=verbose
        )
    return *found, recall


def _choose_probes(
    search: Search, drawn: NDArray[np.int64], furthest: Tensor, target: float
) -> tuple[int, float]:
    """Return the number of lists to search for the `target` recall, and the recall."""
    n_probes = 1
    while True:
        found, _ = search(drawn, n_probes)
        least_similar = furthest - search.vectors.rounding
        shares = (found >= least_similar).double().mean(dim=1)
        choosing, measuring = shares[::2], shares[1::2]
        error = float(choosing.std(correction=0)) / len(choosing) ** 0.5
        recall = float(measuring.mean())
        least = min(float(choosing.mean()) - _SURE * error, recall)
        if least >= target or n_probes >= search.files.n_lists:
            break
        n_probes = min(n_probes + (n_probes + 1) // 2, search.files.n_lists)
    if recall < target:
        warn(
            f"The recall is {recall:.3f}, below target_recall={target}, although all "
            "lists were searched: choose method='exact'.",
            UserWarning,
        )
    return n_probes, recall
