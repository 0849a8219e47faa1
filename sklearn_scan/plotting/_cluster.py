"""One cluster's images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._fitted import members_of, source_of
from sklearn_scan.plotting._tiles import plot_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 10


def plot_cluster(
    clusterer: Any,
    images: Any,
    cluster: int | str,
    *,
    n_images: int = 40,
    ax: Axes | None = None,
) -> Axes:
    """Show a cluster's images, from the most to the least confident.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`.
    images : images
        Those it was fitted on, or whose features it was fitted on, in the same order.
    cluster : int or str
        Its number, or its name in `cluster_names_`.
    n_images : int, default=40
        The most images shown. Of a larger cluster they are so many at even steps, from
        its most to its least confident one.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        With the probability of the cluster below each image.

    Raises
    ------
    ValueError
        If there is no such cluster, or not one image for each sample of the fit.

    Examples
    --------
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.plotting import plot_cluster
    >>> images = load_digits_images().images[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, n_heads=3, random_state=0)
    >>> clusterer = clusterer.fit(images.reshape(300, -1))
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


def find_cluster(clusterer: Any, cluster: int | str) -> int:
    """Return the number of the cluster of that number or name.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
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
