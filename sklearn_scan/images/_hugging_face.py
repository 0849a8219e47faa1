"""Datasets of the library `datasets` by Hugging Face, read row by row."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from threading import Lock
from typing import Any, BinaryIO

from sklearn_scan.core.optional import is_instance
from sklearn_scan.images._file_sources import FileSource, content_name, open_content
from sklearn_scan.images._items import looks_like_image
from sklearn_scan.images._messages import call_for_columns, check_not_empty, quote_some
from sklearn_scan.images._sources import DatasetSource, ImageSource

LIBRARY = "datasets"
_TRANSFORMED = "custom"  # the format of a dataset with a transform of the user's


class HuggingFaceSource(FileSource):
    """The images of a Hugging Face dataset.

    Parameters
    ----------
    dataset : datasets.Dataset
        It is read row by row. Its format, such as "torch", does not matter.
    column : str
        The column of images.
    """

    def __init__(self, dataset: Any, column: str) -> None:
        import datasets

        raw = dataset.with_format(None).select_columns([column])
        self._rows = raw.cast_column(column, datasets.Image(decode=False))
        self._column = column
        self._one_reader = Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def _open(self, i: int) -> BinaryIO:
        with self._one_reader:
            item = self._rows[i][self._column]
        return open_content(item or {}, self.max_pixels)

    def name(self, i: int) -> str:
        """Return the path of image `i`, if the dataset has it."""
        return content_name({"path": self._paths[i]}) or super().name(i)

    @cached_property
    def _paths(self) -> Sequence[str | None]:
        """The paths of all images, read without their content."""
        paths = self._rows.flatten().select_columns([f"{self._column}.path"])
        column: list[str | None] = paths[f"{self._column}.path"][:]
        return column

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to pickle, which a lock is not part of."""
        return {k: v for k, v in vars(self).items() if k != "_one_reader"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _one_reader=Lock())


class TransformedRows:
    """The images of a Hugging Face dataset, as its own transform returns them."""

    def __init__(self, dataset: Any, column: str) -> None:
        self._dataset, self._column = dataset, column

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, i: int) -> Any:
        row = self._dataset[i]
        if self._column not in row:
            raise TypeError(
                f"The transform of X must return the images as {self._column!r}; got "
                f"{quote_some(row)}."
            )
        return row[self._column]


def is_dataset(X: object) -> bool:
    """Tell whether X is a Hugging Face dataset that is read by row."""
    return is_instance(X, LIBRARY, "Dataset")


def read_dataset(X: Any, float_range: float | None = None) -> ImageSource:
    """Return the source of a dataset's only column of images."""
    check_not_empty(X)
    return _read_column(X, _only_image_column(X), float_range)


def is_image_column(X: Any) -> bool:
    """Tell whether X is a column of images of such a dataset."""
    return (
        is_instance(X, "datasets.arrow_dataset", "Column")
        and is_dataset(X.source)
        and X.column_name in image_columns(X.source)
    )


def read_column(X: Any, float_range: float | None = None) -> ImageSource:
    """Return the source of a column of images."""
    check_not_empty(X)
    return _read_column(X.source, X.column_name, float_range)


def _read_column(dataset: Any, column: str, float_range: float | None) -> ImageSource:
    if dataset.format["type"] == _TRANSFORMED:
        rows = TransformedRows(dataset, column)
        return DatasetSource(rows, float_range=float_range)
    return HuggingFaceSource(dataset, column)


def image_columns(dataset: Any) -> list[str]:
    """Return the names of a dataset's columns of images."""
    features = dataset.features or {}  # a stream may not know them
    return [n for n, kind in features.items() if is_instance(kind, LIBRARY, "Image")]


def _only_image_column(dataset: Any) -> str:
    """Return the only column of images; raise if there are several, or none."""
    images = image_columns(dataset)
    if len(images) == 1:
        return images[0]
    if images:
        start, choice = "X must have one column of images", images
    else:
        start = "X must have a column of images"
        row = dataset.with_format(None)[0]
        choice = [name for name, value in row.items() if looks_like_image(value)]
    kind = type(dataset).__name__
    call = call_for_columns(choice) if choice else "pass one that holds paths, X[name]"
    raise TypeError(
        f"{start}; got a {kind} with the columns {quote_some(dataset.column_names)}: "
        f"{call}."
    )
