"""The choice of an image source, by the type of X."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence, Sized
from typing import Any, Literal

import numpy as np
from PIL import Image

from sklearn_scan.images._pixels import check_float_range, list_some, tensor_to_array
from sklearn_scan.images._sources import (
    ArraySource,
    DatasetSource,
    ImageSource,
    PathSource,
    PILSource,
    image_part,
)

_Kind = Literal["path", "PIL image", "array", "tensor", "tuple", "dataset", "source"]


def as_image_source(X: Any, *, float_range: float | None = None) -> ImageSource:
    """Return the `ImageSource` that reads X.

    Parameters
    ----------
    X : images
        One of

        - an array (n, h, w) or (n, h, w, c) with c = 1, 3 or 4: channels last;
        - a tensor (n, h, w) or (n, c, h, w): channels first;
        - a list, tuple, Series, one-column DataFrame or array of paths;
        - a list or tuple of PIL images, of arrays or of tensors of one shape;
        - a map-style torch Dataset, or a list, of images or of tuples (image, label);
        - an `ImageSource`, returned as it is.

        Integers are read in [0, 255], uint16 in [0, 65535], booleans as black and
        white, floats in [0, 1] or [0, 255]. Grey images become RGB, and transparent
        ones are laid on white.
    float_range : {1.0, 255.0}, default=None
        The value of white in images of floats. None decides once for all of X: 1.0
        if no value exceeds one, else 255.0.

    Returns
    -------
    source : ImageSource
        Its `float_range` is the range used; pass it to read further images alike.

    Raises
    ------
    TypeError
        If X is of no known type, a single image or file, or mixes types.
    ValueError
        If X is empty, or of a shape or of values that images do not have.

    Warns
    -----
    UserWarning
        If floats read in [0, 255] do not exceed 64, or uint16 4095: they look nearly
        black.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.images import as_image_source
    >>> source = as_image_source(np.full((5, 8, 8, 3), 0.5))
    >>> len(source), source[0].shape, int(source[0].max()), source.float_range
    (5, (8, 8, 3), 128, 1.0)
    """
    check_float_range(float_range)
    X = _unwrap(X)
    if isinstance(X, ImageSource):
        _check_not_empty(X)
        return X
    kind = _kind(X)
    if kind == "tensor":
        return ArraySource(tensor_to_array(X, channel_axis=1), float_range=float_range)
    if kind == "array":
        return ArraySource(X, float_range=float_range)
    if isinstance(X, list | tuple):
        kind = _kind_of_items(X)
        if kind == "path":
            return PathSource(X)
        if kind == "PIL image":
            return PILSource(X)
        return DatasetSource(X, float_range=float_range)
    if kind == "dataset":
        _check_map_style(X)
        return DatasetSource(X, float_range=float_range)
    raise TypeError(_not_images(X))


def is_image_input(X: Any) -> bool:
    """Tell whether X is images, and not numeric features.

    It looks at the type, the number of dimensions and the first item, never at the
    values.

    Parameters
    ----------
    X : object
        Anything.

    Returns
    -------
    is_image : bool
        True for paths, PIL images, datasets, sources, arrays and tensors of three
        dimensions or more, and lists or columns of these: `as_image_source` reads X,
        or raises an error that says why not. False for 2-D and 1-D numbers, and for
        anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.images import is_image_input
    >>> is_image_input(np.zeros((5, 8, 8))), is_image_input(["cat.jpg", "dog.jpg"])
    (True, True)
    >>> is_image_input(np.zeros((5, 8))), is_image_input([[0.0, 1.0], [2.0, 3.0]])
    (False, False)
    """
    X = _unwrap(X, stop=1)
    if isinstance(X, list | tuple):
        return len(X) == 0 or _holds_pixels(image_part(X[0]), n_dims=2)
    return _kind(X) in ("source", "dataset") or _holds_pixels(X, n_dims=3)


def _holds_pixels(X: Any, n_dims: int) -> bool:
    """Tell whether X is a path, a PIL image, or an array of `n_dims` or more."""
    kind = _kind(X)
    if kind in ("array", "tensor"):
        return len(X.shape) >= n_dims
    return kind in ("path", "PIL image")


def _kind(X: object) -> _Kind | None:
    """Return the kind of X, or of an item of X; None for an unknown type."""
    import torch.utils.data  # here, so that importing this module stays quick

    if isinstance(X, ImageSource):
        return "source"
    if isinstance(X, str | os.PathLike):
        return "path"
    if isinstance(X, Image.Image):
        return "PIL image"
    if isinstance(X, np.ndarray):
        return "array"
    if isinstance(X, torch.Tensor):
        return "tensor"
    if isinstance(X, tuple):
        return "tuple"
    return "dataset" if isinstance(X, torch.utils.data.Dataset) else None


def _unwrap(X: Any, stop: int | None = None) -> Any:
    """Return pandas data as an array, and a column of objects or strings as a list.

    With `stop`, the first `stop` rows are enough.
    """
    pandas = sys.modules.get("pandas")  # if it is not loaded, X is no pandas data
    if pandas and isinstance(X, pandas.DataFrame | pandas.Series):
        X = X.iloc[:stop].to_numpy()
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUT":  # objects or strings
        column = X[:, 0] if X.ndim == 2 and X.shape[1] == 1 else X
        if column.ndim == 1:
            return list(column[:stop])
    return X


def _kind_of_items(items: Sequence[Any]) -> _Kind:
    """Return the kind of a list's items; raise if there are several kinds."""
    _check_not_empty(items)
    first_index: dict[str, int] = {}
    for i, item in enumerate(items):
        first_index.setdefault(_kind(item) or type(item).__name__, i)
    if len(first_index) > 1:
        found = " and ".join(f"{name} (X[{i}])" for name, i in first_index.items())
        raise TypeError(f"X must hold items of one kind; got {found}.")
    kind = _kind(items[0])
    if kind in (None, "dataset", "source"):
        raise TypeError(
            "X must hold paths, PIL images, arrays, tensors or tuples (image, "
            f"label); got a {type(items).__name__} of {type(items[0]).__name__}."
        )
    if kind in ("array", "tensor"):
        shapes = sorted({tuple(item.shape) for item in items})
        if len(shapes) > 1:
            raise ValueError(
                f"X must hold {kind}s of one shape; got the shapes "
                f"{list_some(shapes)}. For images of different sizes pass PIL images "
                "or paths."
            )
    return kind


def _check_not_empty(X: Sized) -> None:
    """Raise if there are no images."""
    if len(X) == 0:
        raise ValueError("Found X with 0 sample(s); at least one image is required.")


def _check_map_style(X: object) -> None:
    """Raise if a Dataset is empty, or cannot be read by index."""
    import torch.utils.data

    if isinstance(X, torch.utils.data.IterableDataset) or not isinstance(X, Sized):
        raise TypeError(
            "X must be a map-style Dataset, with a length and items by index; got "
            f"{type(X).__name__}."
        )
    _check_not_empty(X)


def _not_images(X: object) -> str:
    """Return an error message that says what to pass instead of X."""
    if isinstance(X, str | os.PathLike):
        return (
            f"X must hold several images; got {os.fspath(X)!r}. For the images "
            "of a folder pass sklearn_scan.datasets.list_images(folder), for one "
            "file a list: [file]."
        )
    if isinstance(X, Image.Image):
        return "X must hold several images; got one PIL image: pass [image]."
    return (
        "X must be an array of images, a list of paths, PIL images or arrays, "
        f"or a torch Dataset; got {type(X).__name__}."
    )
