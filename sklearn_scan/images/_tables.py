"""Columns of pandas, polars and pyarrow, and of arrays of objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklearn_scan.core.optional import is_instance
from sklearn_scan.images._items import looks_like_image
from sklearn_scan.images._messages import call_for_columns, quote_some

_OBJECTS = "OUT"  # the kinds of arrays of objects and of strings


def unwrap(X: Any, stop: int | None = None) -> Any:
    """Return a column of paths or other images as a list, and anything else as it is.

    A table of one column is that column. Numbers of pandas become an array; those of
    polars and pyarrow stay as they are. With `stop`, the first `stop` rows are enough.
    """
    array = _as_array(X, stop)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in _OBJECTS:
        return array if _is_of_pandas(X) else X
    column = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    return list(column[:stop]) if column.ndim == 1 else array


def columns_of_images(X: Any) -> list[Any]:
    """Return the columns of images in a table of several, by their first values."""
    if _is_frame(X):
        names = list(X.schema.names if _is_of_arrow(X) else X.columns)
    elif isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in _OBJECTS:
        names = list(range(X.shape[1]))
    else:
        return []
    first = X[:1, :] if isinstance(X, np.ndarray) else _rows(X, 1)
    values = [_as_array(_column(first, name), 1) for name in names]
    several = len(names) > 1
    return [
        name
        for name, value in zip(names, values, strict=True)
        if several and len(value) and looks_like_image(value[0])
    ]


def choose_column(X: Any) -> str:
    """Return the message that one of several columns must be passed."""
    images = columns_of_images(X)
    if isinstance(X, np.ndarray):
        return (
            f"X must be one column of images; got a {type(X).__name__} of shape "
            f"{X.shape}: pass X[:, {images[0]}]."
        )
    names = X.schema.names if _is_of_arrow(X) else X.columns
    return (
        f"X must be one column of images; got a {type(X).__name__} with the columns "
        f"{quote_some(names)}: {call_for_columns(images)}."
    )


def _as_array(X: Any, stop: int | None) -> Any:
    """Return a column as an array, or pandas' table; anything else as it is."""
    if not (_is_frame(X) or _is_column(X)):
        return X
    X = _rows(X, stop)
    if _is_of_pandas(X):
        return X.to_numpy()
    if _is_frame(X):
        if X.shape[1] != 1:
            return X
        X = X.column(0) if _is_of_arrow(X) else X.to_series()
    # of strings, pyarrow has no view
    options = {"zero_copy_only": False} if is_instance(X, "pyarrow", "Array") else {}
    return X.to_numpy(**options)


def _rows(X: Any, stop: int | None) -> Any:
    """Return the first rows of a table or a column."""
    if stop is None:
        return X
    return X.iloc[:stop] if _is_of_pandas(X) else X.slice(0, stop)


def _column(X: Any, name: Any) -> Any:
    return X[:, name] if isinstance(X, np.ndarray) else X[name]


def _is_frame(X: object) -> bool:
    return (
        is_instance(X, "pandas", "DataFrame")
        or is_instance(X, "polars", "DataFrame")
        or is_instance(X, "pyarrow", "Table", "RecordBatch")
    )


def _is_column(X: object) -> bool:
    return (
        is_instance(X, "pandas", "Series")
        or is_instance(X, "polars", "Series")
        or is_instance(X, "pyarrow", "Array", "ChunkedArray")
    )


def _is_of_pandas(X: object) -> bool:
    return is_instance(X, "pandas", "DataFrame", "Series")


def _is_of_arrow(X: object) -> bool:
    return is_instance(X, "pyarrow", "Table", "RecordBatch")
