"""One image for each cluster."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import prototypes_of, source_of
from sklearn_scan.plotting._tiles import plot_tiles
from sklearn_scan.results.clustering import Clustering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LETTERS = 16


@plot_docs
def plot_prototypes(
    clusterer: Clustering, images: Any, *, ax: Axes | None = None
) -> Axes:
    """Show the prototype of each cluster, with its name and size.

    Parameters
    ----------
    {clusterer}
    {images}
    {ax}

    Returns
    -------
    matplotlib Axes
        The prototypes; an empty cluster has an empty frame.

    Raises
    ------
    {wrong_number}

    See Also
    --------
    sklearn_scan.results.prototypes.cluster_prototypes : How they are chosen.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_prototypes
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
