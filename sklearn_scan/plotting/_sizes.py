"""The sizes of clusters, and their shares of confident images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.plotting._axes import axes_or_new, write_names
from sklearn_scan.plotting._colors import MAIN, PALE
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import short_names
from sklearn_scan.results.clustering import Clustering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_COUNTS = 40  # bars with their numbers beside them


@plot_docs
def plot_sizes(clusterer: Clustering, *, ax: Axes | None = None) -> Axes:
    """Show the size of each cluster, and its number of confident images.

    Parameters
    ----------
    {clusterer}
    {ax}

    Returns
    -------
    matplotlib Axes
        A bar for each cluster, of which confident images (`confident_`) are the dark
        part; beside it the size, and the share of confident images.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_sizes
    >>> plot_sizes(clusterer).get_xlabel()
    'images'
    """
    check_is_fitted(clusterer)
    names = short_names(clusterer)
    n_clusters = len(names)
    sizes = cluster_sizes(clusterer.labels_, n_clusters)
    confident = cluster_sizes(clusterer.labels_[clusterer.confident_], n_clusters)
    places = np.arange(n_clusters)
    ax = axes_or_new(ax, 6.4, min(max(2.5, 0.28 * n_clusters + 1), 12))
    ax.barh(places, confident, color=MAIN, label="confident")
    ax.barh(places, sizes - confident, left=confident, color=PALE, label="less so")
    ax.set_ylim(n_clusters - 0.4, -0.6)
    write_names(ax.yaxis, names)
    ax.tick_params(axis="y", length=0)
    if n_clusters <= _MOST_COUNTS:
        for place, size, share in zip(places, sizes, confident, strict=True):
            text = f"{size} ({share / size:.0%})" if size else "empty"
            ax.annotate(
                text, (size, place), (4, 0), textcoords="offset points",
                va="center", fontsize=8,
            )  # fmt: skip
    ax.set_xlim(0, max(1, sizes.max()) * (1.2 if n_clusters <= _MOST_COUNTS else 1.03))
    ax.set_xlabel("images")
    ax.set_ylabel("cluster")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(
        loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, borderpad=0
    )
    return ax
