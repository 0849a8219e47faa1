"""An image among its nearest neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._colors import SECOND
from sklearn_scan.plotting._fitted import source_of
from sklearn_scan.plotting._tiles import plot_tiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 11
_MOST_LETTERS = 14


def plot_neighbors(
    clusterer: Any,
    images: Any,
    index: int,
    *,
    n_neighbors: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Show an image and its nearest neighbours, which its cluster was learnt from.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`.
    images : images
        Those it was fitted on, or whose features it was fitted on, in the same order.
    index : int
        Which of them.
    n_neighbors : int, default=10
        The most neighbours shown; there are no more than were mined.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        The image and then its neighbours, the most similar first. Below each are its
        similarity and its cluster, in red where that is another.

    Raises
    ------
    ValueError
        If there is no such image, it could not be read, it has no neighbours since
        none were mined (`n_neighbors=0`), or if there is not one image for each sample
        of the fit.

    Examples
    --------
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.plotting import plot_neighbors
    >>> images = load_digits_images().images[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, n_heads=3, random_state=0)
    >>> clusterer = clusterer.fit(images.reshape(300, -1))
    >>> len(plot_neighbors(clusterer, images, 17, n_neighbors=5).texts)
    6
    """
    source = source_of(clusterer, images)
    check_count("n_neighbors", n_neighbors)
    _check_index(clusterer, index)
    neighbors = clusterer.neighbors_.nearest(n_neighbors)
    shown = [index, *neighbors.indices[index]]
    labels = clusterer.labels_[shown]
    names = [shorten(clusterer.cluster_names_[c], _MOST_LETTERS) for c in labels]
    similarities = ["", *(f"{s:.2f}" for s in neighbors.similarities[index])]
    return plot_tiles(
        source,
        shown,
        [f"{name}\n{text}" for name, text in zip(names, similarities, strict=True)],
        ax=ax,
        columns=_COLUMNS,
        title=f"{Path(source.name(index)).name} and its nearest neighbours",
        colors=["black" if label == labels[0] else SECOND for label in labels],
    )


def _check_index(clusterer: Any, index: int) -> None:
    n_images = len(clusterer.labels_)
    if check_count("index", index, minimum=0) >= n_images:
        raise ValueError(
            f"index must be below {n_images}, the number of images; got {index}."
        )
    if clusterer.labels_[index] < 0:
        raise ValueError(f"Image {index} could not be read: it has no neighbours.")
    if clusterer.neighbors_.n_neighbors == 0:
        raise ValueError(
            "The clusterer was fitted with n_neighbors=0: there are no neighbours."
        )
