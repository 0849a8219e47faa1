"""The tree of clusters, with an image at each leaf."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from sklearn_scan.core.validation import check_count
from sklearn_scan.images import ImageSource
from sklearn_scan.neighbors.partitions import UNLINKED_HEIGHT
from sklearn_scan.plotting._axes import filled_axes, write_names
from sklearn_scan.plotting._colors import DIM, MAIN
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import check_drawable, fitted_source
from sklearn_scan.plotting._tiles import mosaic
from sklearn_scan.plotting._tree_top import SampleClustering, top_of
from sklearn_scan.results.cluster_tree import ClusterTree
from sklearn_scan.results.clustering import Clustering

# In rows, each of which is one high:
_GAP = 0.08  # between images
_SHORTEST = 8.0  # length of the tree
_LENGTH = 0.45  # of the tree, for each leaf

_INCHES = 0.44  # height of a row in a new figure
_SIDE = 64  # pixels of an image


@plot_docs
def plot_tree(
    clusterer: Clustering | SampleClustering,
    images: Any,
    *,
    n_leaves: int = 31,
    ax: Axes | None = None,
) -> Axes:
    """Show the tree of the clusters: which are merged first, and how near they are.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`; or a `GraphDegreeLinkage`, which merges samples.
    {images}
    n_leaves : int, default=31
        The largest number of leaves. A larger tree is cut: its last merges are shown,
        and a leaf is then a group of clusters, or of samples.
    {ax}

    Returns
    -------
    matplotlib Axes
        A row for each leaf, with its prototype, and its size in brackets. The prototype
        of a group of clusters is that of the largest one; for a group of samples, it is
        the sample nearest to their mean. Dashed lines merge clusters that nothing
        links, so their order has no meaning. If features joined such clusters, by their
        nearest pairs of samples, the lines are solid.

    Raises
    ------
    TypeError
        If the clusterer is of another kind, such as k-means.
    {wrong_number}

    See Also
    --------
    sklearn_scan.results.cluster_tree.cluster_tree : The tree itself.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_tree
    >>> len(plot_tree(clusterer, images).get_yticks())
    10
    """
    if not isinstance(clusterer, SampleClustering):
        check_drawable(clusterer)
    source = fitted_source(clusterer, images)
    top = top_of(clusterer, check_count("n_leaves", n_leaves))
    order, lines, heights = _lay_out(top.tree)
    n_rows, length = len(order), max(_SHORTEST, _LENGTH * len(order))
    left = 0.3 + 0.085 * max(map(len, top.captions))  # inches
    width, height = (1 + length) * _INCHES, n_rows * _INCHES
    ax = filled_axes(ax, width, height, top=0.1, left=left, bottom=0.5)
    _draw_leaves(ax, source, top.prototypes[order])
    _draw_merges(ax, lines, heights, length)
    ax.set_xlim(-1, length)
    ax.set_ylim(n_rows - 0.5, -0.5)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_bounds(0, length)
    ax.tick_params(axis="y", length=0)
    write_names(ax.yaxis, [top.captions[leaf] for leaf in order])
    return ax


def _lay_out(
    tree: ClusterTree,
) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
    """Return the leaves from top to bottom, and the lines of merges.

    Returns
    -------
    order : list of int
    lines : ndarray of shape (n_merges, 4, 2)
        The corners of each merge: heights, and rows from 0.
    heights : ndarray of shape (n_merges,)
    """
    if not len(tree.children):
        return [0], np.empty((0, 4, 2)), np.empty(0)
    drawn = dendrogram(tree.to_scipy(), no_plot=True)
    rows = (np.array(drawn["icoord"]) - 5) / 10
    corners = np.array(drawn["dcoord"])
    return drawn["leaves"], np.stack([corners, rows], axis=2), corners.max(axis=1)


def _draw_leaves(ax: Axes, source: ImageSource, chosen: NDArray[np.int64]) -> None:
    """Draw the images of the leaves; -1 is an empty frame."""
    gap = round(_SIDE * _GAP / (1 - _GAP))
    pixels = mosaic(source, chosen[:, np.newaxis], _SIDE, gap, gap)
    top = (_GAP - 1) / 2
    ax.imshow(pixels, extent=(-1, 0, len(chosen) + top, top))
    side = 1 - _GAP
    for row in np.flatnonzero(chosen < 0):
        corner = (-1, row + top)
        frame = Rectangle(corner, side, side, fill=False, edgecolor=DIM, linestyle=":")
        ax.add_patch(frame)


def _draw_merges(
    ax: Axes,
    lines: NDArray[np.float64],
    heights: NDArray[np.float64],
    length: float,
) -> None:
    """Draw the merges, and their heights along the axis."""
    is_linked = heights < UNLINKED_HEIGHT - 1  # heights have rounding errors
    highest = float(heights[is_linked].max(initial=0)) or 1.0
    end = highest if is_linked.all() else 1.15 * highest
    scale = (length - 0.2) / end
    lines = lines * [scale, 1]
    lines[:, :, 0] = lines[:, :, 0].clip(max=end * scale)
    styles = np.where(is_linked, "solid", "dashed").tolist()
    ax.add_collection(LineCollection(list(lines), colors=MAIN, linestyles=styles))
    ticks = np.asarray(MaxNLocator(5).tick_values(0, highest))
    ticks = ticks[ticks <= highest]
    ax.set_xticks(ticks * scale, [f"{tick:g}" for tick in ticks])
    ax.set_xlabel(
        "height" if is_linked.all() else "height (dashed: nothing links them)"
    )
