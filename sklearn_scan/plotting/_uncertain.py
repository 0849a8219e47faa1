"""The least confident images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import short_names, source_of
from sklearn_scan.plotting._tiles import plot_tiles
from sklearn_scan.results.clustering import Clustering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 8
_MOST_LETTERS = 11


@plot_docs
def plot_uncertain(
    clusterer: Clustering, images: Any, *, n_images: int = 24, ax: Axes | None = None
) -> Axes:
    """Show the least confident images, with their two most probable clusters.

    Parameters
    ----------
    {clusterer}
    {images}
    n_images : int, default=24
        The number of images.
    {ax}

    Returns
    -------
    matplotlib Axes
        The least confident image first; below each its most probable clusters, with
        their probabilities.

    Raises
    ------
    {wrong_number}

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_uncertain
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
    """Return a line for each of the two most probable clusters."""
    top = np.argsort(-probabilities, kind="stable")[:2]
    return "\n".join(
        f"{names[cluster]}: {probabilities[cluster]:.2f}" for cluster in top
    )
