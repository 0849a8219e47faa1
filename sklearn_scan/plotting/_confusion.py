"""Clusters against known classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.metrics import ClusteringReport, clustering_report
from sklearn_scan.plotting._axes import axes_or_new, side_in_points, write_names
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import classes_of, short_names
from sklearn_scan.results.clustering import Clustering

_SMALLEST_FONT, _LARGEST_FONT = 5.5, 10.0


@plot_docs
def plot_confusion(
    clusterer: Clustering | ArrayLike,
    y: ArrayLike,
    *,
    display_labels: Sequence[str] | None = None,
    values_format: str = "d",
    cmap: str = "Blues",
    ax: Axes | None = None,
) -> Axes:
    """Show how many images of each class are in each cluster, in matched order.

    Parameters
    ----------
    clusterer : fitted clusterer, or array-like of int
        A clusterer of any kind; or the cluster of each image, -1 for no cluster.
    y : array-like of shape (n,)
        The class of each image.
    display_labels : sequence of str, default=None
        The names of the classes, in their sorted order; None takes the classes
        themselves.
    values_format : str, default="d"
        The format of the numbers. Numbers too small to read are left out.
    cmap : str, default="Blues"
        The colours for the share of a class, from 0 to 1.
    {ax}

    Returns
    -------
    matplotlib Axes
        A row for each class and a column for each cluster that has images; those
        matched one to one come first, on the diagonal.

    Raises
    ------
    ValueError
        If there is not one class for each image or not one name for each class, or if
        no image is in a cluster.

    See Also
    --------
    sklearn_scan.metrics.clustering_report : The numbers.

    Examples
    --------
    >>> from sklearn_scan.plotting import plot_confusion
    >>> ax = plot_confusion([1, 1, 0, 0, 1], ["cat", "cat", "dog", "dog", "dog"])
    >>> ax.get_title()
    'accuracy 0.800'
    """
    labels, names = cast(ArrayLike, clusterer), None
    if isinstance(clusterer, BaseEstimator):
        check_is_fitted(clusterer)
        classes_of(clusterer, y)
        labels = clusterer.labels_
        if hasattr(clusterer, "cluster_names_"):
            names = short_names(clusterer)
    report = clustering_report(y, labels)
    if not len(report.clusters):
        raise ValueError("No image is in a cluster: all labels are -1.")
    classes = _class_names(report, display_labels)
    n_rows, n_columns = report.confusion.shape
    width, height = (min(max(4.2, 0.42 * n + 2), 12) for n in (n_columns, n_rows))
    ax = axes_or_new(ax, width + 0.4, height)
    shares = report.confusion / report.class_sizes[:, None]
    # square cells, but where they would make a narrow strip
    aspect: Literal["equal", "auto"]
    aspect = "equal" if 1 / 3 <= n_rows / n_columns <= 3 else "auto"
    picture = ax.imshow(shares, cmap=cmap, vmin=0, vmax=1, aspect=aspect)
    ax.set_xlabel("cluster")
    ax.set_ylabel("class")
    ax.figure.colorbar(
        picture, ax=ax, label="share of the class", fraction=0.05, pad=0.02
    )
    clusters = [f"{c}" if names is None else names[c] for c in report.clusters]
    longest = max(map(len, clusters))
    write_names(ax.xaxis, clusters, upright=longest > 3)
    write_names(ax.yaxis, classes)
    _write_counts(ax, report, shares, values_format)
    unreadable = f" · {report.n_unreadable} unreadable" if report.n_unreadable else ""
    ax.set_title(f"accuracy {report.accuracy:.3f}{unreadable}")
    return ax


def _class_names(
    report: ClusteringReport, display_labels: Sequence[str] | None
) -> list[str]:
    if display_labels is None:
        return [f"{name}" for name in report.classes]
    if len(display_labels) != len(report.classes):
        raise ValueError(
            f"display_labels must have a name for each of the {len(report.classes)} "
            f"classes; got {len(display_labels)}."
        )
    return [f"{display_labels[i]}" for i in np.argsort(np.argsort(report.classes))]


def _write_counts(
    ax: Axes, report: ClusteringReport, shares: np.ndarray, values_format: str
) -> None:
    """Write the numbers above zero into their cells, if there is room."""
    n_rows, n_columns = report.confusion.shape
    cell = side_in_points(ax, n_columns, n_rows)
    longest = len(format(int(report.confusion.max()), values_format))
    fontsize = min(_LARGEST_FONT, 0.6 * cell, cell / (0.7 * longest))
    if fontsize < _SMALLEST_FONT:
        return
    for (row, column), count in np.ndenumerate(report.confusion):
        if count:
            ax.text(
                column,
                row,
                format(int(count), values_format),
                color="white" if shares[row, column] > 0.55 else "black",
                fontsize=fontsize,
                ha="center",
                va="center",
            )
