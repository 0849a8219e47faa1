"""The table of a clustering: the cluster, its name and the confidence of each image."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.core.files import durable_file
from sklearn_scan.core.labels import most_probable

if TYPE_CHECKING:
    from sklearn_scan.results.clustering import Clustering


class Row(NamedTuple):
    """A row of the table, as it is written."""

    path: str
    label: int
    name: str
    confidence: str


COLUMNS = Row._fields
PARQUET = (".parquet", ".pq")
LEFT_OUT = "left out"  # the name, beside the label -1


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class LabelTable:
    """The label, the cluster's name and the confidence of each image."""

    paths: Sequence[str]  # or "X[i]"
    labels: NDArray[np.int64]  # (n,); -1 for an image of no cluster
    cluster_names: Sequence[str]
    confidence: NDArray[np.float64]  # (n,); NaN for an image that cannot be read

    @classmethod
    def of(cls, clusterer: Clustering) -> LabelTable:
        """Return the table of a fitted clusterer's own images."""
        check_is_fitted(clusterer)
        labels, confidence = clusterer.labels_, clusterer.probabilities_.max(axis=1)
        paths = clusterer.image_names_ or [f"X[{i}]" for i in range(len(labels))]
        return cls(paths, labels, clusterer.cluster_names_, confidence)

    @classmethod
    def predicted(cls, clusterer: Clustering, paths: Sequence[str]) -> LabelTable:
        """Return the table of other images, predicted by a fitted clusterer."""
        probabilities = np.asarray(clusterer.predict_proba(paths))  # or a data frame
        labels, confidence = most_probable(probabilities), probabilities.max(axis=1)
        return cls(paths, labels, clusterer.cluster_names_, confidence)

    @property
    def names(self) -> list[str]:
        """The name of each image's cluster; of no cluster, "left out" or empty."""
        of_none = np.where(self.left_out, LEFT_OUT, "").tolist()
        pairs = zip(self.labels.tolist(), of_none, strict=True)
        return [self.cluster_names[c] if c >= 0 else none for c, none in pairs]

    @property
    def left_out(self) -> NDArray[np.bool_]:
        """Whether people have left each image out; unreadable ones are not."""
        left: NDArray[np.bool_] = (self.labels < 0) & ~np.isnan(self.confidence)
        return left

    @property
    def confidence_texts(self) -> list[str]:
        """The confidences as they are written; empty for images that cannot be read."""
        return ["" if np.isnan(value) else f"{value:.4f}" for value in self.confidence]

    @property
    def run(self) -> str:
        """A digest of this state of the clustering, by which edits refer to it."""
        # applying edits changes it, so that none are applied twice
        digest = hashlib.sha256(repr(list(self.cluster_names)).encode())
        for row in self.rows():
            digest.update(repr(tuple(row)).encode())
        return digest.hexdigest()[:16]

    def rows(self) -> Iterator[Row]:
        """Yield the path, label, name and confidence of each image, as written."""
        labels = map(int, self.labels)
        columns = (self.paths, labels, self.names, self.confidence_texts)
        yield from map(Row._make, zip(*columns, strict=True))

    def records(self) -> list[dict[str, str | int | float | None]]:
        """Return the rows as JSON: with numbers, and None where there is nothing."""
        confidences = [float(v) if np.isfinite(v) else None for v in self.confidence]
        return [
            row._asdict() | {"name": row.name or None, "confidence": confidence}
            for row, confidence in zip(self.rows(), confidences, strict=True)
        ]

    def write(self, path: str | Path) -> None:
        """Write the table durably: as Parquet if the file is named so, or as CSV."""
        if Path(path).suffix.lower() in PARQUET:
            self.write_parquet(path)
        else:
            self.write_csv(path)

    def write_parquet(self, path: str | Path) -> None:
        """Write the table as Parquet, with numbers, and null where there is nothing.

        Raises
        ------
        ImportError
            If pyarrow is not installed.
        """
        try:
            import pyarrow
            from pyarrow import parquet
        except ImportError as error:
            raise ImportError(
                f"To write {str(path)!r}, install pyarrow: pip install pyarrow."
            ) from error
        known = np.isfinite(self.confidence)
        columns = {
            "path": pyarrow.array(list(self.paths), pyarrow.string()),
            "label": pyarrow.array(self.labels),
            "name": pyarrow.array([name or None for name in self.names]),
            "confidence": pyarrow.array(self.confidence, mask=~known),
        }
        with durable_file(path) as file:
            parquet.write_table(pyarrow.table(columns), file)

    def write_csv(self, path: str | Path) -> None:
        """Write the table, with a header, as UTF-8; durably."""
        with (
            durable_file(path) as file,
            TextIOWrapper(file, "utf-8", "surrogateescape", newline="") as text,
        ):
            self.write_to(text)

    def write_to(self, file: TextIO, *, line_end: str = "\r\n") -> None:
        """Write the table as CSV to an open file; lines end as spreadsheets have it."""
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerow(COLUMNS)
        writer.writerows(self.rows())


def is_left_out(row: Mapping[str, str]) -> bool:
    """Tell whether a row of a file is of an image that people have left out."""
    return row["label"] == "-1" and row["name"] == LEFT_OUT


def name_cluster(number: int) -> str:
    """Return the name of a cluster that nobody has named."""
    return f"cluster {number}"


def find_number(name: str) -> int | None:
    """Return the number in the name of a cluster that nobody has named.

    It may be larger than the label, since names stay where clusters are merged.
    """
    match = re.fullmatch(r"cluster (\d+)", name, flags=re.ASCII)
    return int(match[1]) if match else None


def read_table(
    path: str | os.PathLike[str], columns: Sequence[str] = COLUMNS
) -> list[dict[str, str]]:
    """Return the rows of a CSV file, as spreadsheets of any country write it."""
    # utf-8-sig: spreadsheets begin their files with a byte order mark
    with open(path, newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
        # and some separate by semicolons, where numbers have commas
        delimiter = max(",;\t", key=file.readline().count)
        file.seek(0)
        # a row that is too short has empty fields at its end
        reader = csv.DictReader(file, delimiter=delimiter, restval="")
        try:
            missing = [c for c in columns if c not in (reader.fieldnames or ())]
            rows = [] if missing else list(reader)
        except csv.Error as error:  # which is no ValueError
            raise ValueError(
                f"{os.fspath(path)!r} is not a CSV file, or is damaged: {error}."
            ) from error
    if missing:
        raise ValueError(
            f"{os.fspath(path)!r} must be a CSV file in UTF-8, whose first line names "
            f"the columns; it has no column {', '.join(map(repr, missing))}."
        )
    return rows
