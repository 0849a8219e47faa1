"""Corrections of a clustering: named, merged and new clusters, and images moved."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.model_selection import Quality
from sklearn_scan.results.clustering import Clustering, features_of
from sklearn_scan.results.edited_table import read_edited_table
from sklearn_scan.results.edits import Edits, read_json
from sklearn_scan.results.label_table import LabelTable
from sklearn_scan.results.model import ClusterModel

__all__ = ["Edits", "read_edits", "relabel"]

Clusterer = TypeVar("Clusterer", bound=Clustering)


def relabel(clusterer: Clusterer, edits: Edits | str | os.PathLike[str]) -> Clusterer:
    """Name, merge and make clusters, move images between them, and leave some out.

    Parameters
    ----------
    clusterer : fitted clusterer
        The clusterer, which is not changed.
    edits : Edits or path
        The changes, or a file of a report: its `edits.json`, or its `labels.csv`,
        edited further or not (see `read_edits`).

    Returns
    -------
    clusterer
        A changed copy. Its predictions have merged clusters too, with the sum of their
        probabilities. Clusters are renumbered without gaps, in their old order; they
        keep their names, so that "cluster 7" may have the label 6. New groups come
        after them. The model has not learnt a new group: its probability is 0 for every
        image, and it is never predicted, unless a cluster is merged into it. Images
        that are left out have the label -1, as unreadable ones have. Moved images and
        those left out change `labels_` only; `probabilities_` are those of the model.

    Raises
    ------
    ValueError
        If the edits are of another clustering, of clusters or images that do not exist,
        or contradict each other.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import SCANClusterer, relabel
    >>> from sklearn_scan.results.relabeling import Edits
    >>> X = load_digits().data[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)
    >>> fewer = relabel(clusterer, Edits(names={0: "zeros"}, merged={9: 3}))
    >>> fewer.n_clusters_, fewer.cluster_names_[0], fewer.predict_proba(X).shape
    (9, 'zeros', (300, 9))
    >>> odd = relabel(clusterer, Edits(groups={10: "odd"}, moved={5: 10}, left_out=[7]))
    >>> odd.labels_[[5, 7]].tolist(), odd.cluster_names_[10]
    ([10, -1], 'odd')
    """
    check_is_fitted(clusterer)
    if not isinstance(edits, Edits):
        edits = read_edits(edits, LabelTable.of(clusterer))
    names = _name_all(clusterer.cluster_names_, edits)
    n_clusters = len(clusterer.cluster_names_)
    roots = _find_roots(edits.merged, len(names))
    labels = _place_images(clusterer, edits, roots)
    # a new group without images and clusters is not made
    kept = np.union1d(roots[:n_clusters], labels[labels >= 0])
    numbers = np.full(len(names), -1)
    numbers[kept] = np.arange(len(kept))
    new = copy.copy(clusterer)
    model = ClusterModel(clusterer.module_)
    model = model.merge(numbers[roots[:n_clusters]], len(kept))
    new.module_ = model.module
    new.n_clusters_ = len(kept)
    if edits.merged or edits.groups:
        new.quality_ = Quality()  # it was that of the clusters before
    new.classes_ = np.arange(len(kept))
    new.cluster_names_ = [names[cluster] for cluster in kept]
    new.probabilities_ = model.probabilities(features_of(clusterer))
    new.confident_ = new.probabilities_.max(axis=1) > new.confidence_threshold
    new.labels_ = np.where(labels >= 0, numbers[labels], -1)
    return new


def _name_all(old_names: Sequence[str], edits: Edits) -> list[str]:
    """Return the names of the clusters and, after them, of the new groups."""
    names, n_clusters = list(old_names), len(old_names)
    if sorted(edits.groups) != list(range(n_clusters, n_clusters + len(edits.groups))):
        raise ValueError(
            f"New groups are numbered on from {n_clusters}, the number of clusters, "
            f"without gaps; got {sorted(edits.groups)}."
        )
    names += [""] * len(edits.groups)
    for cluster in edits.names:
        _check_cluster(cluster, n_clusters)
    for cluster, name in [*edits.names.items(), *edits.groups.items()]:
        if not isinstance(name, str) or not name.strip() or not _is_unicode(name):
            raise ValueError(f"The name of a cluster must be a text; got {name!r}.")
        names[cluster] = name.strip()
    return names


def _is_unicode(name: str) -> bool:
    """Tell whether a file can hold a name: halves of characters have no encoding."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _find_roots(merged: Mapping[int, int], n_clusters: int) -> NDArray[np.int64]:
    """Return the cluster that each is merged into in the end, or itself."""
    roots = np.arange(n_clusters)
    for cluster in merged:
        _check_cluster(cluster, n_clusters)
        root, seen = cluster, {cluster}
        while root in merged:
            root = merged[root]
            if root in seen:
                raise ValueError(f"Cluster {cluster} is merged into itself.")
            seen.add(root)
        _check_cluster(root, n_clusters)
        roots[cluster] = root
    return roots


def _place_images(
    clusterer: Clustering, edits: Edits, roots: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the labels in the old numbers, with clusters merged and images moved."""
    old, is_readable = clusterer.labels_, ~np.isnan(clusterer.probabilities_[:, 0])
    labels = np.where(old >= 0, roots[old], -1)
    for row in [*edits.moved, *edits.left_out]:
        if not 0 <= row < len(labels):
            raise ValueError(f"There is no image {row}: there are {len(labels)}.")
        if not is_readable[row]:
            raise ValueError(f"Image {row} cannot be read, and is of no cluster.")
    for row, cluster in edits.moved.items():
        _check_cluster(cluster, len(roots))
        labels[row] = roots[cluster]
    for row in edits.left_out:
        if row in edits.moved:
            raise ValueError(
                f"Image {row} is both moved to cluster {edits.moved[row]} and left out."
            )
        labels[row] = -1
    return labels


def _check_cluster(cluster: int, n_clusters: int) -> None:
    if not 0 <= cluster < n_clusters:
        raise ValueError(
            f"There is no cluster {cluster}: they are numbered 0 to {n_clusters - 1}."
        )


def read_edits(path: str | os.PathLike[str], table: LabelTable) -> Edits:
    """Read the edits that a report has downloaded.

    Parameters
    ----------
    path : path
        `edits.json`; or a `labels.csv`, in any order of rows. There, a label is the
        cluster of the same name, or else the former cluster of most of its images if
        it has the most of them, or else a new group. A cluster without a label is
        merged into the label of most of its images. So only `edits.json` can tell that
        all images of a cluster were moved, or that an empty cluster was named or
        merged. An image with the label -1 is left out.
    table : LabelTable
        The table of the clustering that is to be changed.

    Returns
    -------
    Edits

    Raises
    ------
    ValueError
        If the file is neither of them, or of another clustering.
    """
    if Path(path).suffix.lower() == ".json":
        return read_json(Path(path), table)
    return read_edited_table(path, table)
