"""Some of the images, as tiles with captions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.core.validation import check_count
from sklearn_scan.plotting._axes import shorten
from sklearn_scan.plotting._colors import SECOND
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import prototypes_of, short_names, source_of
from sklearn_scan.plotting._tiles import plot_tiles
from sklearn_scan.results.clustering import Clustering
from sklearn_scan.results.label_table import LEFT_OUT
from sklearn_scan.results.prototypes import cluster_members


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
        The largest number of images to show. A larger cluster is shown at even steps,
        from the most to the least confident image.
    {ax}

    Returns
    -------
    matplotlib Axes
        The images, with their probability of the cluster.

    Raises
    ------
    {no_model}
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
    number = _find_cluster(clusterer, cluster)
    check_count("n_images", n_images)
    labels, probabilities = clusterer.labels_, clusterer.probabilities_
    members = cluster_members(labels, probabilities)[number]
    shown = members
    if len(members) > n_images:
        shown = members[np.linspace(0, len(members) - 1, n_images).round().astype(int)]
    captions = [f"{p:.2f}" for p in probabilities[shown, number]]
    size = f"{len(members)} images"
    if len(members) > len(shown):
        size = f"{len(shown)} of {size}"
    return plot_tiles(
        source,
        shown,
        captions,
        ax=ax,
        columns=10,
        inches=0.8,
        title=f"{clusterer.cluster_names_[number]}: {size}",
    )


def _find_cluster(clusterer: Clustering, cluster: int | str) -> int:
    """Return the number of the cluster of that number or name."""
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


@plot_docs
def plot_prototypes(
    clusterer: Clustering, images: Any, *, ax: Axes | None = None
) -> Axes:
    """Show the prototype of each cluster, with its name and size.

    Parameters
    ----------
    {clusterer}
    {images}
    {ax}

    Returns
    -------
    matplotlib Axes
        The prototypes; an empty cluster has an empty frame.

    Raises
    ------
    {no_model}
    {wrong_number}

    See Also
    --------
    sklearn_scan.results.prototypes.cluster_prototypes : How they are chosen.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_prototypes
    >>> len(plot_prototypes(clusterer, images).texts)
    10
    """
    source = source_of(clusterer, images)
    names = clusterer.cluster_names_
    sizes = cluster_sizes(clusterer.labels_, len(names))
    captions = [
        f"{shorten(name, 16)}\n{size} image{'s' if size != 1 else ''}"
        for name, size in zip(names, sizes, strict=True)
    ]
    columns = min(max(5, math.ceil(len(names) ** 0.5)), 12)
    return plot_tiles(
        source, prototypes_of(clusterer), captions, ax=ax, columns=columns
    )


@plot_docs
def plot_uncertain(
    clusterer: Clustering, images: Any, *, n_images: int = 24, ax: Axes | None = None
) -> Axes:
    """Show the least confident images, with their two most probable clusters.

    Parameters
    ----------
    {clusterer}
    {images}
    n_images : int, default=24
        The number of images.
    {ax}

    Returns
    -------
    matplotlib Axes
        The least confident image first; below each its most probable clusters, with
        their probabilities.

    Raises
    ------
    {no_model}
    {wrong_number}

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_uncertain
    >>> len(plot_uncertain(clusterer, images, n_images=6).texts)
    6
    """
    source = source_of(clusterer, images)
    check_count("n_images", n_images)
    readable = np.flatnonzero(clusterer.labels_ >= 0)
    confidence = clusterer.probabilities_[readable].max(axis=1)
    shown = readable[np.argsort(confidence, kind="stable")[:n_images]]
    names = [shorten(name, 11) for name in short_names(clusterer)]
    captions = []
    for row in clusterer.probabilities_[shown]:
        top = np.argsort(-row, kind="stable")[:2]
        captions.append("\n".join(f"{names[c]}: {row[c]:.2f}" for c in top))
    title = "least confident images, with their most probable clusters"
    return plot_tiles(source, shown, captions, ax=ax, columns=8, title=title)


@plot_docs
def plot_neighbors(
    clusterer: Clustering,
    images: Any,
    index: int,
    *,
    n_neighbors: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Show an image and its nearest neighbours, which the clusters are learnt from.

    Parameters
    ----------
    {clusterer}
    {images}
    index : int
        The number of the image.
    n_neighbors : int, default=10
        The number of neighbours; at most the `n_neighbors` of the clusterer.
    {ax}

    Returns
    -------
    matplotlib Axes
        The image, then its neighbours, the most similar first. Below each are its
        cluster (in red if it is another one than that of the image) and its similarity.

    Raises
    ------
    {no_model}
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
    all_names = [*clusterer.cluster_names_, LEFT_OUT]  # the last is that of -1
    names = [shorten(all_names[c], 14) for c in labels]
    similarities = ["", *(f"{s:.2f}" for s in neighbors.similarities[index])]
    return plot_tiles(
        source,
        shown,
        [f"{name}\n{text}" for name, text in zip(names, similarities, strict=True)],
        ax=ax,
        columns=11,
        title=f"{Path(source.name(index)).name} and its nearest neighbours",
        colors=["black" if label == labels[0] else SECOND for label in labels],
    )


def _check_index(clusterer: Clustering, index: int) -> None:
    n_images = len(clusterer.labels_)
    if check_count("index", index, minimum=0) >= n_images:
        raise ValueError(
            f"index must be below {n_images}, the number of images; got {index}."
        )
    if np.isnan(clusterer.probabilities_[index, 0]):
        raise ValueError(f"Image {index} could not be read: it has no neighbours.")
    if clusterer.neighbors_.n_neighbors == 0:
        raise ValueError(
            "The clusterer was fitted with n_neighbors=0: there are no neighbours."
        )
