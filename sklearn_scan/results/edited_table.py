"""A table of labels that people have edited, compared with what it was."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.results.edits import Edits, of_another_run
from sklearn_scan.results.label_table import LabelTable, name_cluster, read_table

_MOST_LABELS = 2**31
_LAST_DIGIT = 1e-4  # of confidences as they are written


def read_edited_table(path: str | os.PathLike[str], table: LabelTable) -> Edits:
    """Return the edits that turn the table into that of a CSV file."""
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
        raise of_another_run(path)
    return rows


def _read_number(text: str) -> float:
    """Return a number written with a point or a comma; NaN if it is not a number."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")


def _compare(rows: list[dict[str, str]], table: LabelTable) -> Edits:
    """Return the edits that turn the table into these rows."""
    labels = np.array([_read_label(row["label"]) for row in rows])
    unreadable = [not text for text in table.confidence_texts]
    odd = np.flatnonzero((labels >= 0) & unreadable)
    if len(odd):
        raise ValueError(
            f"{rows[odd[0]]['path']!r} cannot be read: its label must be -1; got "
            f"{labels[odd[0]]}."
        )
    n_clusters = len(table.cluster_names)
    names = _read_names(rows, labels, table)
    roots = _find_roots(table, labels, names)
    merged = _find_merged(table.labels, labels, roots, n_clusters)
    pairs = list(zip(table.labels.tolist(), labels.tolist(), strict=True))
    return Edits(
        names={
            roots[label]: name
            for label, name in names.items()
            if roots[label] < n_clusters and name != table.cluster_names[roots[label]]
        },
        merged=merged,
        moved={
            row: roots[label]
            for row, (old, label) in enumerate(pairs)
            if label >= 0 and merged.get(old, old) != roots[label]
        },
        groups={roots[c]: name for c, name in names.items() if roots[c] >= n_clusters},
        left_out=[row for row, (old, label) in enumerate(pairs) if label < 0 <= old],
    )


def _read_label(text: str) -> int:
    number = _read_number(text)
    if not number.is_integer() or not -1 <= number < _MOST_LABELS:
        raise ValueError(
            f"A label must be a whole number, or -1 for an image that is left out; got "
            f"{text!r}."
        )
    return int(number)


def _read_names(
    rows: list[dict[str, str]], labels: NDArray[np.int64], table: LabelTable
) -> dict[int, str]:
    """Return the name of each label."""
    found: dict[int, dict[str, bool]] = {}  # whether each name was given on purpose
    before = zip(table.labels.tolist(), table.names, strict=True)
    for row, label, old in zip(rows, labels.tolist(), before, strict=True):
        if label >= 0:  # other images are in no cluster
            of_label = found.setdefault(label, {})
            # where an image is moved by its label, its old name may be left
            counts = label == old[0] or row["name"] != old[1]
            of_label[row["name"]] = of_label.get(row["name"], False) or counts
    n_clusters = len(table.cluster_names)
    return {
        label: _choose_name(label, names, is_new=label >= n_clusters)
        for label, names in sorted(found.items())
    }


def _choose_name(label: int, names: Mapping[str, bool], *, is_new: bool) -> str:
    chosen = [name for name, counts in names.items() if counts]
    if not chosen:
        chosen = [name_cluster(label)] if is_new else list(names)
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
    """Return the old cluster that each label stands for; or the number of a new one."""
    old_names = list(table.cluster_names)
    if ((labels == table.labels) | (labels < 0)).all():  # no image was moved
        return {label: label for label in names}
    roots = {
        label: old_names.index(name)
        for label, name in names.items()
        if old_names.count(name) == 1 and list(names.values()).count(name) == 1
    }
    counts = _count_pairs(labels, table.labels, list(names), len(old_names))
    # a cluster goes on where most of its images are
    counts[counts < counts.max(axis=0)] = 0
    for label, sizes in zip(names, counts, strict=True):
        if label in roots:
            continue
        sizes[list(roots.values())] = 0
        near = _between(sizes, label, roots)
        if sizes.any():
            roots[label] = int((near if near.any() else sizes).argmax())
    new = [label for label in names if label not in roots]
    return roots | {label: len(old_names) + i for i, label in enumerate(new)}


def _count_pairs(
    after: NDArray[np.int64],
    before: NDArray[np.int64],
    labels: list[int],
    n_clusters: int,
) -> NDArray[np.int64]:
    """Return how many images of each label were in each cluster."""
    counts = np.zeros((len(labels), n_clusters), dtype=np.int64)
    for row, label in zip(counts, labels, strict=True):
        old = before[after == label]
        row[:] = np.bincount(old[old >= 0], minlength=n_clusters)
    return counts


def _between(
    sizes: NDArray[np.int64], label: int, roots: Mapping[int, int]
) -> NDArray[np.int64]:
    """Return the sizes, but 0 for clusters that would change the order of labels."""
    low = max((root for known, root in roots.items() if known < label), default=-1)
    high = min(
        (root for known, root in roots.items() if known > label), default=len(sizes)
    )
    between = np.zeros_like(sizes)
    between[low + 1 : high] = sizes[low + 1 : high]
    return between


def _find_merged(
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    roots: Mapping[int, int],
    n_clusters: int,
) -> dict[int, int]:
    """Return the clusters without a label, and the clusters they are merged into."""
    merged = {}
    for cluster in set(range(n_clusters)) - set(roots.values()):
        now = after[(before == cluster) & (after >= 0)]
        if len(now):  # an empty cluster is kept
            found, sizes = np.unique(now, return_counts=True)
            merged[cluster] = roots[int(found[sizes.argmax()])]
    return merged
