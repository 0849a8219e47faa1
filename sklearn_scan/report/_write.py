"""The page of a fitted clusterer and its images."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import PurePath
from threading import Thread
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_consistent_length

from sklearn_scan.core.files import durable_file
from sklearn_scan.core.random import RandomState
from sklearn_scan.core.validation import check_option
from sklearn_scan.images import ImageSource
from sklearn_scan.metrics import ClusteringReport, clustering_report
from sklearn_scan.report._data import ClusterView, page_data
from sklearn_scan.report._files import find_files
from sklearn_scan.report._overview import (
    describe_agreement,
    describe_fit,
    training_curves,
)
from sklearn_scan.report._page import load_template, render_page
from sklearn_scan.report._thumbnails import make_thumbnails
from sklearn_scan.results.clustering import Clustering, check_has_model, read_again
from sklearn_scan.results.embedding_map import (
    MAP_METHODS,
    count_between,
    map_embedding,
)
from sklearn_scan.results.label_table import LabelTable

_Result = TypeVar("_Result")


def write_report(
    path: str | os.PathLike[str],
    estimator: Clustering,
    images: Any,
    *,
    y: ArrayLike | None = None,
    title: str | None = None,
    projection: str = "tsne",
    random_state: RandomState = 0,
) -> None:
    """Write an HTML page that shows a clustering, and on which people correct it.

    The page is one file, which needs neither a network nor the images. It has an
    overview, a card for each cluster with all of its images, a map of the embedding and
    a search by the names of files and clusters. Each image links to its file, for those
    who have it. The page can be printed. People name and merge clusters, move images,
    also to new groups, or leave them out, and download the result as labels.csv and
    edits.json. A slider merges like clusters along their tree, and splits them again.

    Parameters
    ----------
    path : path
        The file to write; an existing file is replaced.
    estimator : fitted clusterer
        A `SCANClusterer`, `TEMIClusterer` or `JULEClusterer`.
    images : images
        The images of the fit, in the same order, as anything that `as_image_source`
        reads; where it was fitted on features, the images that these are of.
    y : array-like of shape (n,), default=None
        The true classes. The page then shows how well the clusters agree with them,
        without images that `relabel` has left out.
    title : str, default=None
        The heading; None takes the name of the folder that the images are in.
    projection : {"tsne", "pca", "umap"}, default="tsne"
        The method of the map, see `results.embedding_map.map_embedding`.
    random_state : int, RandomState or None, default=0
        Seeds the map.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it has no model of its clusters, such as a `GraphDegreeLinkage`.
    ValueError
        If there is not one image, or one of `y`, for each sample of the fit; if the
        images are files in another order than those of the fit; or if `projection` is
        unknown.
    OSError
        If `path` cannot be written.
    ImageReadError
        If no image can be read.
    ImportError
        If jinja2 is not installed, or umap-learn for "umap".

    Warns
    -----
    UserWarning
        With their number, if images can no longer be read.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.datasets import load_digits_images
    >>> from sklearn_scan.report import write_report
    >>> digits = load_digits_images().images[:200]
    >>> features = digits.reshape(200, -1) / 255
    >>> clusterer = SCANClusterer(10, random_state=0).fit(features)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "report.html")
    ...     write_report(path, clusterer, digits, projection="pca")
    ...     os.path.getsize(path) < 1_000_000
    True
    """
    check_has_model(estimator, "the report")
    check_option("projection", projection, MAP_METHODS)
    source = _read(images, estimator)
    names = _check_images(source, estimator)
    agreement = None
    if y is not None:
        agreement = describe_agreement(_compare(estimator, y))
    template = load_template()
    with durable_file(path) as file:
        view = ClusterView(estimator)
        draw = partial(map_embedding, method=projection, random_state=random_state)
        # the map is drawn while images are read
        points = _begin(lambda: draw(view.embedding))
        thumbnails, failures = make_thumbnails(
            source,
            view.seen_together(),
            n_jobs=estimator.n_jobs,
            verbose=estimator.verbose,
        )
        places = points.result()
        data = page_data(
            view,
            places,
            thumbnails.places,
            sorted([*estimator.bad_images_, *failures]),
            names=names,
            files=find_files(names, path),
            y=y,
            curves=training_curves(estimator.history_),
        )
        content = render_page(
            template,
            data=data,
            pictures=thumbnails.pictures,
            title=title or _title(names),
            date=datetime.date.today().isoformat(),
            fit=describe_fit(estimator),
            agreement=agreement,
            projection=projection,
            n_images=len(source),
            n_clusters=len(estimator.cluster_names_),
            n_unreadable=len(data["unreadable"]),
            n_between=count_between(np.isfinite(places[:, 0]).sum(), projection),
        )
        file.write(content)


def _compare(estimator: Clustering, y: ArrayLike) -> ClusteringReport:
    """Return how well the clusters agree with the classes of the images in them."""
    labels, probabilities = estimator.labels_, estimator.probabilities_
    left_out = LabelTable.of(estimator).left_out
    if left_out.any():
        check_consistent_length(y, labels)
        y, labels = np.asarray(y)[~left_out], labels[~left_out]
        probabilities = probabilities[~left_out]
    return clustering_report(y, labels, probabilities)


def _begin(compute: Callable[[], _Result]) -> Future[_Result]:
    """Compute in a daemon thread: an interrupted Python would wait for an executor."""
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(compute())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def _read(images: Any, estimator: Clustering) -> ImageSource:
    try:
        return read_again(estimator, images)
    except (TypeError, ValueError) as error:
        if estimator.encoder_ is None:
            error.add_note(
                "The clusterer was fitted on features: pass the images they are of."
            )
        raise


def _check_images(source: ImageSource, estimator: Clustering) -> list[str]:
    """Return the names of the images; raise if they cannot be those of the fit."""
    n_images = len(estimator.labels_)
    if len(source) != n_images:
        raise ValueError(
            f"images must be the {n_images} that the clusterer was fitted on; got "
            f"{len(source)}."
        )
    fitted = LabelTable.of(estimator).paths
    return [_name(source, i, name) for i, name in enumerate(fitted)]


def _name(source: ImageSource, i: int, fitted: str) -> str:
    """Return an image's name in the source, where its file is now, or in the fit."""
    unnamed, name = f"X[{i}]", source.name(i)
    if name == unnamed:
        return fitted
    if fitted != unnamed and PurePath(name).name != PurePath(fitted).name:
        raise ValueError(
            f"images must be in the order of the fit: images[{i}] is {name!r}, where "
            f"it was {fitted!r}."
        )
    return name


def _title(names: Sequence[str]) -> str:
    """Return the name of the folder that all images are in, or a general title."""
    try:
        folder = os.path.commonpath([os.path.dirname(name) for name in names])
    except ValueError:  # on several drives, or absolute and relative paths
        folder = ""
    return PurePath(folder).name or "Image clusters"
