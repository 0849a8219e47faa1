"""All clusters in one picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._axes import filled_axes, shorten
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import prototypes_of, short_names, source_of
from sklearn_scan.plotting._tiles import mosaic
from sklearn_scan.results.clustering import Clustering
from sklearn_scan.results.prototypes import cluster_members

_SIDE, _GAP = 64, 4  # pixels
_INCHES = 0.5
_MOST_LETTERS = 24


@plot_docs
def plot_clusters(
    clusterer: Clustering, images: Any, *, n_images: int = 8, ax: Axes | None = None
) -> Axes:
    """Show each cluster's prototype, its most and its least confident images.

    Parameters
    ----------
    {clusterer}
    {images}
    n_images : int, default=8
        How many of the most confident images are shown, and how many of the least
        confident ones.
    {ax}

    Returns
    -------
    matplotlib Axes
        A row for each cluster: its prototype, its most confident images and its least
        confident images.

    Raises
    ------
    {no_model}
    {wrong_number}

    See Also
    --------
    plot_cluster : More images of one cluster.
    plot_prototypes : One image of each cluster.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_clusters
    >>> len(plot_clusters(clusterer, images).get_yticks())
    10
    """
    source = source_of(clusterer, images)
    check_count("n_images", n_images)
    chosen, sizes = _choose(clusterer, n_images)
    pixels = mosaic(source, chosen, _SIDE, _GAP, _GAP)
    rows, columns = chosen.shape
    texts = [
        f"{shorten(name, _MOST_LETTERS)} ({size})"
        for name, size in zip(short_names(clusterer), sizes, strict=True)
    ]
    margin = 0.6 + 0.085 * max(map(len, texts))  # inches
    ax = filled_axes(ax, columns * _INCHES, rows * _INCHES, top=0.3, left=margin)
    ax.imshow(pixels)
    pitch = _SIDE + _GAP
    ax.set_yticks(np.arange(rows) * pitch + _SIDE / 2, texts, parse_math=False)
    centers = np.array([0.5, 2 + n_images / 2, 3 + 1.5 * n_images])
    ax.set_xticks(centers * pitch, ["prototype", "most confident", "least confident"])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if rows > 2:  # else there is no room
        ax.set_ylabel("cluster (size)")
    return ax


def _choose(
    clusterer: Clustering, n_images: int
) -> tuple[NDArray[np.int64], list[int]]:
    """Return rows of images, -1 for an empty place, and the sizes of the clusters."""
    members = cluster_members(clusterer.labels_, clusterer.probabilities_)
    chosen = np.full((len(members), 2 * n_images + 3), -1, dtype=np.int64)
    chosen[:, 0] = prototypes_of(clusterer)
    for row, order in zip(chosen, members, strict=True):
        most, least = order[:n_images], order[::-1][:n_images]
        row[2 : 2 + len(most)] = most
        row[3 + n_images : 3 + n_images + len(least)] = least
    return chosen, [len(rows) for rows in members]
