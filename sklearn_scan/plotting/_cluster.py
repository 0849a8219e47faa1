"""One cluster's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import members_of, source_of
from sklearn_scan.plotting._tiles import plot_tiles
from sklearn_scan.results.clustering import Clustering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 10


@plot_docs
def plot_cluster(
    clusterer: Clustering,
    images: Any,
    cluster: int | str,
    *,
    n_images: int = 40,
    ax: Axes | None = None,
) -> Axes:
    """Show a cluster's images, from the most to the least confident.

    Parameters
    ----------
    {clusterer}
    {images}
    cluster : int or str
        Its number, or its name in `cluster_names_`.
    n_images : int, default=40
        The most images to show. Of a larger cluster they are taken at even steps, from
        the most to the least confident.
    {ax}

    Returns
    -------
    matplotlib Axes
        The images, with their probability of the cluster.

    Raises
    ------
    ValueError
        If there is no such cluster, or not one image for each sample of the fit.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_cluster
    >>> len(plot_cluster(clusterer, images, 0, n_images=12).texts)
    12
    """
    source = source_of(clusterer, images)
    number = find_cluster(clusterer, cluster)
    check_count("n_images", n_images)
    members = members_of(clusterer)[number]
    shown = members
    if len(members) > n_images:
        shown = members[np.linspace(0, len(members) - 1, n_images).round().astype(int)]
    captions = [f"{p:.2f}" for p in clusterer.probabilities_[shown, number]]
    size = f"{len(members)} images"
    if len(members) > len(shown):
        size = f"{len(shown)} of {size}"
    return plot_tiles(
        source,
        shown,
        captions,
        ax=ax,
        columns=_COLUMNS,
        inches=0.8,
        title=f"{clusterer.cluster_names_[number]}: {size}",
    )


def find_cluster(clusterer: Clustering, cluster: int | str) -> int:
    """Return the number of the cluster of that number or name."""
    check_is_fitted(clusterer)
    names = list(clusterer.cluster_names_)
    if isinstance(cluster, str):
        if names.count(cluster) != 1:
            how_many = "several clusters" if cluster in names else "no cluster"
            raise ValueError(f"{how_many} named {cluster!r} among {names}.")
        return names.index(cluster)
    number = check_count("cluster", cluster, minimum=0)
    if number >= len(names):
        raise ValueError(
            f"cluster must be below {len(names)}, the number of clusters; got {number}."
        )
    return number
