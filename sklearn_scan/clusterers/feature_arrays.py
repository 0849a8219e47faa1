"""Several feature arrays of the same samples: which X holds them, and their checks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_array

from sklearn_scan.core.features import to_numpy
from sklearn_scan.core.rows import naming_array


def holds_feature_arrays(X: Any) -> bool:
    """Tell several feature arrays of the same samples from a list of grey images.

    A tuple of 2-D arrays, or a list of such that are floats of different widths, holds
    features. Other lists hold images, and so do more arrays than they have rows.
    """
    if not are_tables(X):
        return False
    lengths, widths = ({table.shape[axis] for table in X} for axis in (0, 1))
    if len(X) > max(lengths):
        return False
    if isinstance(X, tuple) or any(_is_frame(table) for table in X):
        return True
    return len(widths) > 1 and all(_is_floating(table) for table in X)


def are_tables(X: Any) -> bool:
    """Return whether X is a list, or tuple, of numeric arrays of two dimensions."""
    return (
        isinstance(X, list | tuple)
        and len(X) > 0
        and all(_is_table(table) for table in X)
    )


def stack_feature_arrays(
    X: Sequence[Any], dims: tuple[int, ...] | None = None
) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Check feature arrays and put them side by side."""
    lengths = [table.shape[0] for table in X]
    if len(set(lengths)) > 1:
        raise ValueError(
            "Several feature arrays must each have one row for every sample; those in "
            f"X have {_join(lengths)} rows (shapes "
            f"{_join(tuple(table.shape) for table in X)}). For images of different "
            "sizes pass PIL images or paths."
        )
    if dims is not None:
        _check_dims(tuple(table.shape[1] for table in X), dims)
    arrays = [_check_table(f"X[{i}]", table) for i, table in enumerate(X)]
    return np.concatenate(arrays, axis=1), tuple(array.shape[1] for array in arrays)


def _check_table(name: str, table: Any) -> NDArray[np.float32]:
    if isinstance(table, torch.Tensor):
        table = to_numpy(table)
    with naming_array(name):
        array: NDArray[np.float32] = check_array(
            table, dtype=np.float32, input_name=name
        )
    return array


def _check_dims(came: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if len(came) != len(expected):
        raise ValueError(
            f"X must hold {len(expected)} feature arrays, as for fit; got {len(came)}."
        )
    for i, (width, fitted) in enumerate(zip(came, expected, strict=True)):
        if width != fitted:
            raise ValueError(f"X[{i}] has {width} features, and had {fitted} in fit.")


def _join(values: Any) -> str:
    names = [str(value) for value in values]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _is_table(X: object) -> bool:
    if isinstance(X, np.ndarray):
        return X.ndim == 2 and X.dtype.kind in "biuf"
    return (isinstance(X, torch.Tensor) and X.ndim == 2) or _is_frame(X)


def _is_frame(X: object) -> bool:
    pandas = sys.modules.get("pandas")  # where it is not loaded, X is not of it
    return pandas is not None and isinstance(X, pandas.DataFrame)


def _is_floating(X: np.ndarray | torch.Tensor) -> bool:
    if isinstance(X, torch.Tensor):
        return X.is_floating_point()
    return X.dtype.kind == "f"
