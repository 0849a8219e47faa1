"""All clusters at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._axes import filled_axes, shorten
from sklearn_scan.plotting._fitted import (
    members_of,
    prototypes_of,
    short_names,
    source_of,
)
from sklearn_scan.plotting._tiles import mosaic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE, _GAP = 64, 4  # pixels
_INCHES = 0.5
_MOST_LETTERS = 24


def plot_clusters(
    clusterer: Any, images: Any, *, n_images: int = 8, ax: Axes | None = None
) -> Axes:
    """Show each cluster's prototype, its most and its least confident images.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`.
    images : images
        Those it was fitted on, or whose features it was fitted on, in the same order.
    n_images : int, default=8
        How many of the most, and of the least, confident images are shown.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        With a row for each cluster: the prototype; the most confident; the least.

    Raises
    ------
    ValueError
        If there is not one image for each sample of the fit.

    See Also
    --------
    plot_cluster : More images of one cluster.
    plot_prototypes : One image of each.

    Examples
    --------
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.plotting import plot_clusters
    >>> images = load_digits_images().images[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, n_heads=3, random_state=0)
    >>> clusterer = clusterer.fit(images.reshape(300, -1))
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
    ax.set_yticks(
        np.arange(rows) * pitch + _SIDE / 2,
        texts,
        parse_math=False,
    )
    centers = np.array([0.5, 2 + n_images / 2, 3 + 1.5 * n_images])
    ax.set_xticks(centers * pitch, ["prototype", "most confident", "least confident"])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if rows > 2:  # along fewer there is no room for it
        ax.set_ylabel("cluster (size)")
    return ax


def _choose(clusterer: Any, n_images: int) -> tuple[NDArray[np.int64], list[int]]:
    """Return a row of image indices for each cluster, -1 for an empty place; sizes."""
    members = members_of(clusterer)
    chosen = np.full((len(members), 2 * n_images + 3), -1, dtype=np.int64)
    chosen[:, 0] = prototypes_of(clusterer)
    for row, order in zip(chosen, members, strict=True):
        most, least = order[:n_images], order[::-1][:n_images]
        row[2 : 2 + len(most)] = most
        row[3 + n_images : 3 + n_images + len(least)] = least
    return chosen, [len(rows) for rows in members]
