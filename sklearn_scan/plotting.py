"""Pictures of clusters, with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_scan._gaps import cluster_sizes
from sklearn_scan._validation import check_count
from sklearn_scan.images import ImageSource, SquareCrop, as_image_source
from sklearn_scan.model_selection import ClusterNumberCurve
from sklearn_scan.prototypes import cluster_members, cluster_prototypes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_clusters", "plot_n_clusters"]

_GAP = 2  # pixels between tiles
_MOST_TILE, _LEAST_TILE = 64, 16  # pixels: photos are reduced, thumbnails enlarged


def plot_clusters(
    clusterer: Any, images: Any, *, n_images: int = 8, ax: Axes | None = None
) -> Axes:
    """Show each cluster's prototype, its most and its least confident images.

    Parameters
    ----------
    clusterer : fitted clusterer
        With `labels_`, `probabilities_` and `embedding_`, such as `SCANClusterer`.
    images : images
        Those it was fitted on, in the same order.
    n_images : int, default=8
        How many of the most, and of the least, confident images are shown.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        With a row for each cluster: the prototype; the most confident; the least.

    Raises
    ------
    ValueError
        If there is not one image for each sample of the fit.
    """
    import matplotlib.pyplot as plt

    check_is_fitted(clusterer)
    check_count("n_images", n_images)
    source = as_image_source(images)
    if len(source) != len(clusterer.labels_):
        raise ValueError(
            f"images must be the {len(clusterer.labels_)} the clusterer was fitted on; "
            f"got {len(source)}."
        )
    chosen = _choose(clusterer, n_images)
    first = int(np.argmax(clusterer.labels_ >= 0))  # others cannot be read
    side = int(np.clip(min(source[first].shape[:2]), _LEAST_TILE, _MOST_TILE))
    mosaic = _mosaic(source, chosen, side)
    if ax is None:
        height = len(chosen) * 0.5 + 0.5
        _, ax = plt.subplots(figsize=(chosen.shape[1] * 0.5 + 1, height))
    ax.imshow(mosaic)
    pitch = side + _GAP
    sizes = cluster_sizes(clusterer.labels_, len(chosen))
    ax.set_yticks(
        np.arange(len(chosen)) * pitch + pitch / 2,
        [f"{cluster} ({size})" for cluster, size in enumerate(sizes)],
    )
    centers = np.array([0.5, 2 + n_images / 2, 3 + 1.5 * n_images])
    ax.set_xticks(centers * pitch, ["prototype", "most confident", "least confident"])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_ylabel("cluster (size)")
    return ax


def plot_n_clusters(curve: ClusterNumberCurve, *, ax: Axes | None = None) -> Axes:
    """Show how well each number of clusters fits the graph of neighbours.

    Parameters
    ----------
    curve : ClusterNumberCurve
        Of `estimate_n_clusters`, or a clusterer's `n_clusters_curve_`.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        The modularity by the number of clusters; the number chosen is marked.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots()
    ax.plot(curve.candidates, curve.scores, marker=".")
    ax.axvline(curve.n_clusters, color="grey", linestyle="--")
    ax.set_title(f"{curve.n_clusters} clusters")
    ax.set_xlabel("number of clusters")
    ax.set_ylabel("modularity")
    return ax


def _choose(clusterer: Any, n_images: int) -> NDArray[np.int64]:
    """Return a row of image indices for each cluster; -1 leaves a place empty."""
    probabilities = clusterer.probabilities_
    prototypes = cluster_prototypes(clusterer.embedding_, probabilities)
    chosen = np.full((probabilities.shape[1], 2 * n_images + 3), -1, dtype=np.int64)
    chosen[:, 0] = prototypes
    members = cluster_members(clusterer.labels_, probabilities)
    for row, order in zip(chosen, members, strict=True):
        most, least = order[:n_images], order[::-1][:n_images]
        row[2 : 2 + len(most)] = most
        row[3 + n_images : 3 + n_images + len(least)] = least
    return chosen


def _mosaic(
    source: ImageSource, chosen: NDArray[np.int64], side: int
) -> NDArray[np.uint8]:
    """Lay the chosen images out on white, as RGB uint8."""
    pitch = side + _GAP
    rows, columns = chosen.shape
    mosaic = np.full((rows * pitch, columns * pitch, 3), 255, dtype=np.uint8)
    tile = SquareCrop(side)
    for (row, column), index in np.ndenumerate(chosen):
        if index >= 0:
            top, left = row * pitch, column * pitch
            mosaic[top : top + side, left : left + side] = source.read(int(index), tile)
    return mosaic
