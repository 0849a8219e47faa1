"""An image and its nearest neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._colors import SECOND
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import source_of
from sklearn_scan.plotting._tiles import plot_tiles
from sklearn_scan.results.clustering import Clustering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 11
_MOST_LETTERS = 14


@plot_docs
def plot_neighbors(
    clusterer: Clustering,
    images: Any,
    index: int,
    *,
    n_neighbors: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Show an image and its nearest neighbours, from which clusters were learnt.

    Parameters
    ----------
    {clusterer}
    {images}
    index : int
        The number of the image.
    n_neighbors : int, default=10
        The number of neighbours, at most those that were mined.
    {ax}

    Returns
    -------
    matplotlib Axes
        The image, then its neighbours, the most similar first. Below each are its
        cluster, in red where it is not that of the image, and its similarity.

    Raises
    ------
    ValueError
        If there is no such image, if it could not be read, if no neighbours were mined
        (`n_neighbors=0`), or if there is not one image for each sample of the fit.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_neighbors
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


def _check_index(clusterer: Clustering, index: int) -> None:
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
