"""Corrections of a clustering: clusters are named and merged, and images moved."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.results.clustering import Clustering, features_of
from sklearn_scan.results.label_table import LabelTable, name_cluster, read_table
from sklearn_scan.results.model import ClusterModel

__all__ = ["Edits", "read_edits", "relabel"]

FORMAT, VERSION = "sklearn-scan-edits", 1

_LAST_DIGIT = 1e-4  # of confidences as they are written

Clusterer = TypeVar("Clusterer", bound=Clustering)


@dataclass(frozen=True)
class Edits:
    """Changes of a clustering, with the numbers of clusters before the changes.

    Parameters
    ----------
    names : mapping of int to str
        The new names of clusters.
    merged : mapping of int to int
        Clusters, and the clusters that they are merged into.
    moved : mapping of int to int
        Rows of images, and their new clusters.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    moved: Mapping[int, int] = field(default_factory=dict)


def relabel(clusterer: Clusterer, edits: Edits | str | os.PathLike[str]) -> Clusterer:
    """Name clusters, merge them and move images between them.

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
        probabilities. Clusters are renumbered without gaps, in their old order, and so
        are the default names. Moved images change `labels_` only; `probabilities_` are
        those of the model.

    Raises
    ------
    ValueError
        If the edits are of another clustering, or of clusters or images that do not
        exist.

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
    """
    check_is_fitted(clusterer)
    if not isinstance(edits, Edits):
        edits = read_edits(edits, LabelTable.of(clusterer))
    names = list(clusterer.cluster_names_)
    groups = _number_groups(edits.merged, len(names))
    for cluster, name in edits.names.items():
        _check_cluster(cluster, len(names))
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"The name of a cluster must be a text; got {name!r}.")
        names[cluster] = name.strip()
    survivors = [c for c in range(len(names)) if c not in edits.merged]
    new = copy.copy(clusterer)
    model = ClusterModel(clusterer.module_).merge(groups)
    new.module_ = model.module
    new.n_clusters_ = len(survivors)
    if edits.merged:
        new.expected_accuracy_ = np.nan  # it was that of the clusters before
    new.classes_ = np.arange(len(survivors))
    new.cluster_names_ = [
        name_cluster(number)
        if names[cluster] == name_cluster(cluster)
        else names[cluster]
        for number, cluster in enumerate(survivors)
    ]
    new.probabilities_ = model.probabilities(features_of(clusterer))
    new.confident_ = new.probabilities_.max(axis=1) > new.confidence_threshold
    new.labels_ = _move(clusterer.labels_, edits.moved, groups)
    return new


def _number_groups(merged: Mapping[int, int], n_clusters: int) -> NDArray[np.int64]:
    """Return the new number of each cluster."""
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
    return np.unique(roots, return_inverse=True)[1]


def _move(
    labels: NDArray[np.int64], moved: Mapping[int, int], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the labels in the new numbers, with images moved."""
    new = np.where(labels >= 0, groups[labels], -1)
    for row, cluster in moved.items():
        _check_cluster(cluster, len(groups))
        if not 0 <= row < len(labels):
            raise ValueError(f"There is no image {row}: there are {len(labels)}.")
        if labels[row] < 0:
            raise ValueError(f"Image {row} cannot be read, and is of no cluster.")
        new[row] = groups[cluster]
    return new


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
        cluster of the same name, or else the former cluster of most of its images. A
        cluster without a label is merged into the label of most of its images. So only
        `edits.json` can tell that all images of a cluster were moved, or that an empty
        cluster was named or merged.
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
        return _read_json(Path(path), table)
    return _compare(_match_rows(read_table(path), table, path), table)


def _match_rows(
    rows: list[dict[str, str]], table: LabelTable, path: str | os.PathLike[str]
) -> list[dict[str, str]]:
    """Return the rows in the table's order: spreadsheets may sort and reformat them."""
    paths = list(table.paths)
    if [row["path"] for row in rows] != paths:
        by_path = {row["path"]: row for row in rows}
        if len(rows) != len(paths) or set(by_path) != set(paths):
            n_missing = len(set(paths) - set(by_path))
            raise ValueError(
                f"{os.fspath(path)!r} is of another run, or rows were lost or doubled: "
                f"it has {len(rows)} for {len(paths)} images, and lacks {n_missing}."
            )
        rows = [by_path[name] for name in paths]
    theirs = np.array([_read_number(row["confidence"]) for row in rows])
    own = np.array([_read_number(text) for text in table.confidence_texts])
    if not np.allclose(theirs, own, rtol=0, atol=_LAST_DIGIT / 2, equal_nan=True):
        raise ValueError(_of_another_run(path))
    return rows


def _read_number(text: str) -> float:
    """Return a number written with a point or a comma; NaN if it is not a number."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def _of_another_run(path: str | os.PathLike[str]) -> str:
    return (
        f"{os.fspath(path)!r} is of another run, or of this one before it was changed. "
        "Correct the report as it is now."
    )


def _read_json(path: Path, table: LabelTable) -> Edits:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError
        version, run = int(content["version"]), content["run"]
        edits = Edits(
            names={int(c): name for c, name in content["names"].items()},
            merged={int(c): int(into) for c, into in content["merged"].items()},
            moved={int(row): int(c) for row, c in content["moved"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{os.fspath(path)!r} is not the edits.json of a report, or is damaged."
        ) from error
    if version > VERSION:
        raise ValueError(f"{os.fspath(path)!r} is of a newer sklearn_scan: upgrade it.")
    if run != table.run:
        raise ValueError(_of_another_run(path))
    return edits


def _compare(rows: list[dict[str, str]], table: LabelTable) -> Edits:
    """Return the edits that turn the table into these rows."""
    labels = np.array([_read_label(row["label"]) for row in rows])
    n_clusters = len(table.cluster_names)
    odd = np.flatnonzero((labels < 0) != (table.labels < 0))
    if len(odd):
        raise ValueError(
            f"{rows[odd[0]]['path']!r} has the label {labels[odd[0]]}, and had "
            f"{table.labels[odd[0]]}: -1 is for images that cannot be read."
        )
    names = _read_names(rows, labels, table)
    roots = _find_roots(table, labels, names)
    merged = _find_merged(table.labels, labels, roots, n_clusters)
    return Edits(
        names={
            roots[label]: name
            for label, name in names.items()
            if name != table.cluster_names[roots[label]]
        },
        merged=merged,
        moved={
            row: roots[label]
            for row, (old, label) in enumerate(
                zip(table.labels.tolist(), labels.tolist(), strict=True)
            )
            if old >= 0 and merged.get(old, old) != roots[label]
        },
    )


def _read_label(text: str) -> int:
    number = _read_number(text)
    if not number.is_integer():
        raise ValueError(f"A label must be a whole number; got {text!r}.")
    return int(number)


def _read_names(
    rows: list[dict[str, str]], labels: NDArray[np.int64], table: LabelTable
) -> dict[int, str]:
    """Return the name of each label."""
    found: dict[int, dict[str, bool]] = {}  # whether each name was given on purpose
    before = zip(table.labels.tolist(), table.names, strict=True)
    for row, label, old in zip(rows, labels.tolist(), before, strict=True):
        if label >= 0:  # other images cannot be read
            of_label = found.setdefault(label, {})
            # where an image is moved by its label, its old name may be left
            counts = label == old[0] or row["name"] != old[1]
            of_label[row["name"]] = of_label.get(row["name"], False) or counts
    return {label: _choose_name(label, names) for label, names in sorted(found.items())}


def _choose_name(label: int, names: Mapping[str, bool]) -> str:
    chosen = [name for name, counts in names.items() if counts] or list(names)
    if not all(chosen):
        raise ValueError(f"Label {label} has an empty name.")
    if len(chosen) > 1:
        raise ValueError(
            f"Label {label} has two names, {chosen[0]!r} and {chosen[1]!r}: give all "
            "its images one name."
        )
    return chosen[0]


def _find_roots(
    table: LabelTable, labels: NDArray[np.int64], names: Mapping[int, str]
) -> dict[int, int]:
    """Return the old cluster that each label stands for."""
    if np.array_equal(labels, table.labels):  # only names may have changed
        return {label: label for label in names}
    old_names = list(table.cluster_names)
    roots = {
        label: old_names.index(name)
        for label, name in names.items()
        if old_names.count(name) == 1 and list(names.values()).count(name) == 1
    }
    for label in names:
        if label in roots:
            continue
        sizes = np.bincount(table.labels[labels == label], minlength=len(old_names))
        sizes[list(roots.values())] = 0
        if not sizes.any():
            raise ValueError(
                f"Label {label} is none of the clusters: images may be moved to "
                "clusters that there are, and clusters named or merged as a whole."
            )
        # clusters keep their order: of merged clusters, take one between the neighbours
        low = max((r for known, r in roots.items() if known < label), default=-1)
        high = min(
            (r for known, r in roots.items() if known > label), default=len(sizes)
        )
        between = np.zeros_like(sizes)
        between[low + 1 : high] = sizes[low + 1 : high]
        roots[label] = int((between if between.any() else sizes).argmax())
    return roots


def _find_merged(
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    roots: Mapping[int, int],
    n_clusters: int,
) -> dict[int, int]:
    """Return the clusters without a label, and the clusters they are merged into."""
    merged = {}
    for cluster in set(range(n_clusters)) - set(roots.values()):
        now = after[before == cluster]
        if len(now):  # an empty cluster is kept
            merged[cluster] = roots[int(np.bincount(now).argmax())]
    return merged
