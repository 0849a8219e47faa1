"""The images that the clusterer is least sure of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._fitted import short_names, source_of
from sklearn_scan.plotting._tiles import plot_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 8
_MOST_LETTERS = 11


def plot_uncertain(
    clusterer: Any, images: Any, *, n_images: int = 24, ax: Axes | None = None
) -> Axes:
    """Show the least confident images of all, with their two most probable clusters.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`.
    images : images
        Those it was fitted on, or whose features it was fitted on, in the same order.
    n_images : int, default=24
        How many are shown.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        The least confident first; below each image its most probable clusters, with
        their probabilities.

    Raises
    ------
    ValueError
        If there is not one image for each sample of the fit.

    Examples
    --------
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.plotting import plot_uncertain
    >>> images = load_digits_images().images[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, n_heads=3, random_state=0)
    >>> clusterer = clusterer.fit(images.reshape(300, -1))
    >>> len(plot_uncertain(clusterer, images, n_images=6).texts)
    6
    """
    source = source_of(clusterer, images)
    check_count("n_images", n_images)
    readable = np.flatnonzero(clusterer.labels_ >= 0)
    confidence = clusterer.probabilities_[readable].max(axis=1)
    shown = readable[np.argsort(confidence, kind="stable")[:n_images]]
    names = [shorten(name, _MOST_LETTERS) for name in short_names(clusterer)]
    captions = [_describe(row, names) for row in clusterer.probabilities_[shown]]
    title = "least confident images, with their most probable clusters"
    return plot_tiles(source, shown, captions, ax=ax, columns=_COLUMNS, title=title)


def _describe(probabilities: NDArray[np.float64], names: list[str]) -> str:
    """Return the two most probable clusters, a line each."""
    top = np.argsort(-probabilities, kind="stable")[:2]
    return "\n".join(
        f"{names[cluster]}: {probabilities[cluster]:.2f}" for cluster in top
    )
