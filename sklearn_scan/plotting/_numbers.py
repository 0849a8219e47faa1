"""Numbers of a clustering: sizes, confidences and scores of numbers of clusters."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.model_selection import ClusterNumberCurve
from sklearn_scan.plotting._axes import axes_or_new, write_names
from sklearn_scan.plotting._colors import DIM, MAIN, PALE
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import check_drawable, short_names
from sklearn_scan.results.clustering import Clustering

_MOST_COUNTS = 40  # bars with their numbers beside them
_N_BINS = 40


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
        A bar for each cluster. Its dark part counts the confident images
        (`confident_`). Beside the bar are the size and the share of confident images.

    Raises
    ------
    {no_model}

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_sizes
    >>> plot_sizes(clusterer).get_xlabel()
    'images'
    """
    check_drawable(clusterer)
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


@plot_docs
def plot_confidence(clusterer: Clustering, *, ax: Axes | None = None) -> Axes:
    """Show a histogram of the images' confidence, their largest probability.

    Parameters
    ----------
    {clusterer}
    {ax}

    Returns
    -------
    matplotlib Axes
        The histogram; confident images (`confident_`) are dark.

    Raises
    ------
    {no_model}

    Notes
    -----
    The mean confidence is at most the share of images that is expected to be right
    (`quality_.expected_accuracy`), an estimate without labels. So if the images are
    hard to group, few of them are confident.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_confidence
    >>> plot_confidence(clusterer).get_ylabel()
    'images'
    """
    check_drawable(clusterer)
    readable = clusterer.labels_ >= 0
    confidence = clusterer.probabilities_[readable].max(axis=1)
    confident = clusterer.confident_[readable]
    ax = axes_or_new(ax, 6.4, 3.6)
    ax.hist(
        [confidence[confident], confidence[~confident]],
        bins=np.linspace(0, 1, _N_BINS + 1).tolist(),
        stacked=True,
        color=[MAIN, PALE],
        label=[
            f"confident: {confident.sum()} ({confident.mean():.0%})",
            f"less so: {(~confident).sum()} ({(~confident).mean():.0%})",
        ],
    )
    ax.set_xlim(0, 1)
    ax.set_xlabel("probability of the most probable cluster")
    ax.set_ylabel("images")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper left", frameon=False)
    return ax


@plot_docs
def plot_n_clusters(curve: ClusterNumberCurve, *, ax: Axes | None = None) -> Axes:
    """Show how well each number of clusters fits the graph of neighbours.

    Parameters
    ----------
    curve : ClusterNumberCurve
        As `estimate_n_clusters` returns it, or a clusterer's `n_clusters_curve_`.
    {ax}

    Returns
    -------
    matplotlib Axes
        The modularity of each number of clusters; a line marks the number chosen.

    Raises
    ------
    TypeError
        If `curve` is something else, such as the clusterer itself.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan.model_selection import estimate_n_clusters
    >>> from sklearn_scan.plotting import plot_n_clusters
    >>> curve = estimate_n_clusters(load_digits().data[:500], random_state=0)
    >>> plot_n_clusters(curve).get_xlabel()
    'number of clusters'
    """
    if not isinstance(curve, ClusterNumberCurve):
        raise TypeError(
            "curve must be a ClusterNumberCurve, such as a clusterer's "
            f"n_clusters_curve_; got {type(curve).__name__}."
        )
    ax = axes_or_new(ax, 6, 4)
    ax.plot(curve.candidates, curve.scores, marker=".", color=MAIN)
    ax.axvline(curve.n_clusters, color=DIM, linestyle="--")
    ax.set_title(f"{curve.n_clusters} clusters")
    ax.set_xlabel("number of clusters")
    ax.set_ylabel("modularity")
    return ax
