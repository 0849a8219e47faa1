"""A map of the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from sklearn_scan.images import ImageSource, SquareCrop
from sklearn_scan.plotting._axes import axes_or_new, shorten
from sklearn_scan.plotting._colors import style
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import (
    check_drawable,
    classes_of,
    prototypes_of,
    short_names,
    source_of,
)
from sklearn_scan.plotting._map_labels import draw_images, draw_names
from sklearn_scan.results.clustering import Clustering, features_of
from sklearn_scan.results.embedding_map import map_embedding

_THUMBNAIL = 64  # pixels
_MOST_IN_COLUMN = 22  # of the legend
_MOST_LETTERS, _MOST_BELOW = 16, 10


@plot_docs
def plot_embedding(
    clusterer: Clustering,
    images: Any = None,
    *,
    y: ArrayLike | None = None,
    points: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Show the samples on a map, with similar samples close together.

    Parameters
    ----------
    {clusterer}
    images : images, default=None
        The images of the fit, in the same order. With images, the map shows the
        prototype of each cluster; without, only its name.
    y : array-like of shape (n,), default=None
        The class of each sample, which gives its colour. Without it, the cluster gives
        the colour.
    points : array-like of shape (n, 2), default=None
        The place of each sample, from `map_embedding`; pass it if you draw several
        pictures of one map. By default the places are computed by t-SNE, which takes
        about ten seconds for 2,000 samples.
    {ax}

    Returns
    -------
    matplotlib Axes
        The map. Distances within a group of points mean more than those between
        groups; the axes have no meaning.

    Raises
    ------
    {no_model}
    ValueError
        If there is not one image, class or point for each sample of the fit.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_embedding
    >>> from sklearn_scan.results.embedding_map import map_embedding
    >>> points = map_embedding(clusterer.embedding_, method="pca")
    >>> len(plot_embedding(clusterer, points=points).collections)
    10
    """
    check_drawable(clusterer)
    source = None if images is None else source_of(clusterer, images)
    groups, names = clusterer.labels_, short_names(clusterer)
    if y is not None:
        classes, groups = np.unique(classes_of(clusterer, y), return_inverse=True)
        names = [f"{name}" for name in classes]
    points = _place(clusterer, points)
    groups = np.where(clusterer.labels_ < 0, -1, groups)
    ax = axes_or_new(ax, 8, 6.4)
    _draw_groups(ax, points, groups, names)
    ax.set_title("clusters" if y is None else "classes")
    if y is not None:
        _draw_legend(ax, len(names))
    if source is not None:
        _draw_prototypes(ax, clusterer, source, points)
    elif y is None:
        _draw_names(ax, points, groups, names)
    return ax


def _place(clusterer: Clustering, points: ArrayLike | None) -> NDArray[np.float64]:
    """Return the places given, or those on a map of the embedding."""
    n_samples = len(clusterer.labels_)
    if points is None:
        points = map_embedding(features_of(clusterer).centered(), random_state=0)
        return points.astype(np.float64)
    places = np.asarray(points, dtype=np.float64)
    if places.shape != (n_samples, 2):
        raise ValueError(
            f"points must have shape ({n_samples}, 2), a row for each sample of the "
            f"fit; got {places.shape}."
        )
    return places


def _draw_groups(
    ax: Axes,
    points: NDArray[np.float64],
    groups: NDArray[np.int64],
    names: Sequence[str],
) -> None:
    """Draw the points of each group in its colour, and the frame of the map."""
    size = float(np.clip(12_000 / max(1, len(points)), 3, 24))
    for group, name in enumerate(names):
        color, marker = style(group)
        rows = groups == group
        ax.scatter(
            points[rows, 0],
            points[rows, 1],
            s=size,
            color=color,
            marker=marker,
            alpha=0.75,
            linewidths=0,
            label=f"{shorten(name, _MOST_LETTERS)}",
            rasterized=len(points) > 5_000,  # else a PDF takes minutes to show
        )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color("#cccccc")
    ax.margins(0.06)


def _draw_legend(ax: Axes, n_names: int) -> None:
    columns = -(-n_names // _MOST_IN_COLUMN)
    legend = ax.legend(
        loc="center left", bbox_to_anchor=(1, 0.5), ncols=columns, frameon=False,
        handletextpad=0.2, markerscale=2,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw_names(
    ax: Axes,
    points: NDArray[np.float64],
    groups: NDArray[np.int64],
    names: Sequence[str],
) -> None:
    """Write the name of each cluster amid its points."""
    found = np.unique(groups[groups >= 0])
    middles = np.array([np.median(points[groups == g], axis=0) for g in found])
    draw_names(ax, [shorten(names[g], _MOST_LETTERS) for g in found], middles)


def _draw_prototypes(
    ax: Axes, clusterer: Clustering, source: ImageSource, points: NDArray[np.float64]
) -> None:
    """Draw each cluster's prototype, with its name, at its place."""
    prototypes = prototypes_of(clusterer)
    found = np.flatnonzero(prototypes >= 0)
    names = short_names(clusterer)
    tile = SquareCrop(_THUMBNAIL)
    draw_images(
        ax,
        [source.read(int(i), tile) for i in prototypes[found]],
        [shorten(names[cluster], _MOST_BELOW) for cluster in found],
        [style(int(cluster))[0] for cluster in found],
        points[prototypes[found]],
    )
