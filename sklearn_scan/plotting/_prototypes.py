"""One image of each cluster."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._fitted import prototypes_of, source_of
from sklearn_scan.plotting._tiles import plot_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LETTERS = 16


def plot_prototypes(clusterer: Any, images: Any, *, ax: Axes | None = None) -> Axes:
    """Show the image that stands for each cluster, with its name and its size.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`.
    images : images
        Those it was fitted on, or whose features it was fitted on, in the same order.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        An empty cluster is an empty frame.

    Raises
    ------
    ValueError
        If there is not one image for each sample of the fit.

    See Also
    --------
    sklearn_scan.results.prototypes.cluster_prototypes : How they are chosen.

    Examples
    --------
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.plotting import plot_prototypes
    >>> images = load_digits_images().images[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, n_heads=3, random_state=0)
    >>> clusterer = clusterer.fit(images.reshape(300, -1))
    >>> len(plot_prototypes(clusterer, images).texts)
    10
    """
    source = source_of(clusterer, images)
    names = clusterer.cluster_names_
    sizes = cluster_sizes(clusterer.labels_, len(names))
    captions = [
        f"{shorten(name, _MOST_LETTERS)}\n{size} image{'s' if size != 1 else ''}"
        for name, size in zip(names, sizes, strict=True)
    ]
    columns = min(max(5, ceil(len(names) ** 0.5)), 12)
    return plot_tiles(
        source, prototypes_of(clusterer), captions, ax=ax, columns=columns
    )
