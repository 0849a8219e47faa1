"""The choice of an image source, by the type of X."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_scan.core.validation import check_count
from sklearn_scan.images._file_sources import ContentSource, PathSource
from sklearn_scan.images._hugging_face import (
    is_dataset,
    is_image_column,
    read_column,
    read_dataset,
)
from sklearn_scan.images._items import Kind, is_image, item_kind
from sklearn_scan.images._limits import MAX_PIXELS
from sklearn_scan.images._messages import check_not_empty
from sklearn_scan.images._pixels import check_float_range, list_some, tensor_to_array
from sklearn_scan.images._refusals import refusal_of
from sklearn_scan.images._sources import (
    ArraySource,
    DatasetSource,
    ImageSource,
    PILSource,
    image_part,
)
from sklearn_scan.images._tables import unwrap


class _Collection(NamedTuple):
    """A kind of X that is read."""

    matches: Callable[[Any], bool]
    read: Callable[[Any, float | None], ImageSource]  # X and the value of white


def as_image_source(
    X: Any, *, float_range: float | None = None, max_pixels: int | None = MAX_PIXELS
) -> ImageSource:
    """Return the `ImageSource` that reads X.

    Parameters
    ----------
    X : images
        One of

        - an array (n, h, w) or (n, h, w, c) with c = 1, 3 or 4: channels last;
        - a tensor (n, h, w) or (n, c, h, w): channels first;
        - a list, tuple, array, Series or one-column table (of pandas, polars or
          pyarrow) of paths; a path leads to a file, into a zip or tar, as in
          `photos.zip/1.jpg`, or is an address that fsspec reads;
        - a list or tuple of encoded images: bytes, or open binary files;
        - a list or tuple of PIL images, of arrays or of tensors of one shape;
        - a map-style torch Dataset, or a list, of images or of tuples (image, label);
        - a Hugging Face Dataset with one column of images, or that column;
        - an `ImageSource`, returned as it is, with the limits that it has.

        Integers are read in [0, 255], uint16 in [0, 65535], booleans as black and
        white, floats in [0, 1] or [0, 255]. Grey images become RGB, and transparent
        ones are laid on white.
    float_range : {1.0, 255.0}, default=None
        The value of white in images of floats. None decides once for all of X: 1.0
        if no value exceeds one, else 255.0.
    max_pixels : int or None, default=89_478_485
        The most pixels of an image that is to be decoded. The header of one that has
        more is read, and not its pixels: it is an image that cannot be read. This holds
        for files, encoded images, and PIL images that are opened from a file; others
        are in memory already. The default is the size that Pillow warns of, and takes
        358 MB when it is decoded. A larger `PIL.Image.MAX_IMAGE_PIXELS` takes its
        place. Files of more than 8 bytes a pixel of this limit, and of more than
        1.1 GB, are not read either. None is no limit.

    Returns
    -------
    source : ImageSource
        Its `float_range` is the range used; pass it to read further images alike.

    Raises
    ------
    TypeError
        If X is of no known type, a single image or file, can be read only once, has
        several columns, or mixes types.
    ValueError
        If X is empty, or of a shape or of values that images do not have.
    ImportError
        If the package that an address needs is not installed.

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
    if max_pixels is not None:
        check_count("max_pixels", max_pixels)
    collection = unwrap(X)
    reason = refusal_of(X) or refusal_of(collection)
    if reason is not None:
        raise TypeError(reason)
    for matches, read in _COLLECTIONS:
        if matches(collection):
            source = read(collection, float_range)
            if source is not collection:
                source.max_pixels = max_pixels
            return source
    raise TypeError(
        "X must be an array of images, a list of paths, PIL images or arrays, "
        f"or a torch Dataset; got {type(X).__name__}."
    )


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
        True for paths, encoded images, PIL images, datasets, sources, arrays and
        tensors of three dimensions or more, and lists, columns or other collections of
        these: `as_image_source` reads X, or raises an error that says why not. False
        for 2-D and 1-D numbers, and for anything else.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.images import is_image_input
    >>> is_image_input(np.zeros((5, 8, 8))), is_image_input(["cat.jpg", "dog.jpg"])
    (True, True)
    >>> is_image_input(np.zeros((5, 8))), is_image_input([[0.0, 1.0], [2.0, 3.0]])
    (False, False)
    """
    first = unwrap(X, stop=1)
    if refusal_of(X) or refusal_of(first):
        return True
    if isinstance(first, list | tuple):
        return len(first) == 0 or is_image(image_part(first[0]))
    if _is_array(first) or _is_tensor(first):
        return len(first.shape) >= 3
    return any(matches(first) for matches, _ in _COLLECTIONS)


# Collections


def _is_source(X: object) -> bool:
    return isinstance(X, ImageSource)


def _as_it_is(X: ImageSource, _float_range: float | None) -> ImageSource:
    check_not_empty(X)
    return X


def _is_array(X: object) -> bool:
    return isinstance(X, np.ndarray)


def _read_array(X: np.ndarray, float_range: float | None) -> ImageSource:
    return ArraySource(X, float_range=float_range)


def _is_tensor(X: object) -> bool:
    return item_kind(X) == "tensor"


def _read_tensor(X: Any, float_range: float | None) -> ImageSource:
    return ArraySource(tensor_to_array(X, channel_axis=1), float_range=float_range)


def _is_list(X: object) -> bool:
    return isinstance(X, list | tuple)


def _read_list(X: Sequence[Any], float_range: float | None) -> ImageSource:
    kind = _kind_of_items(X)
    if kind == "tuple" and item_kind(image_part(X[0])) in ("path", "encoded image"):
        X = [image_part(item) for item in X]
        kind = _kind_of_items(X)
    if kind == "path":
        return PathSource(X)
    if kind == "encoded image":
        return ContentSource(X)
    if kind == "PIL image":
        return PILSource(X)
    return DatasetSource(X, float_range=float_range)


def _kind_of_items(items: Sequence[Any]) -> Kind:
    """Return the kind of a list's items; raise if there are several kinds."""
    check_not_empty(items)
    first_index: dict[str, int] = {}
    for i, item in enumerate(items):
        first_index.setdefault(item_kind(item) or type(item).__name__, i)
    if "NoneType" in first_index:
        raise TypeError(f"X[{first_index['NoneType']}] is None: leave it out of X.")
    if len(first_index) > 1:
        found = " and ".join(f"{name} (X[{i}])" for name, i in first_index.items())
        raise TypeError(f"X must hold items of one kind; got {found}.")
    kind = item_kind(items[0])
    if kind is None:
        raise TypeError(
            "X must hold paths, encoded images, PIL images, arrays, tensors or tuples "
            f"(image, label); got a {type(items).__name__} of "
            f"{type(items[0]).__name__}."
        )
    if kind in ("array", "tensor"):
        _check_one_shape(kind, items)
    return kind


def _check_one_shape(kind: str, items: Iterable[Any]) -> None:
    shapes = sorted({tuple(item.shape) for item in items})
    if len(shapes) > 1:
        raise ValueError(
            f"X must hold {kind}s of one shape; got the shapes {list_some(shapes)}. "
            "For images of different sizes pass PIL images or paths."
        )


def _is_torch_dataset(X: object) -> bool:
    import torch.utils.data  # here, so that importing this module stays quick

    return isinstance(X, torch.utils.data.Dataset)


def _read_torch_dataset(X: Any, float_range: float | None) -> ImageSource:
    check_not_empty(X)
    return DatasetSource(X, float_range=float_range)


def _is_indexed(X: Any) -> bool:
    """Tell whether X is something like a list, and its first item is an image."""
    kind = type(X)
    return (
        hasattr(kind, "__getitem__")
        and hasattr(kind, "__len__")
        and not isinstance(X, Mapping)
        and len(getattr(X, "shape", ("n",))) == 1
        and len(X) > 0
        and is_image(image_part(X[0]))
    )


def _read_indexed(X: Any, float_range: float | None) -> ImageSource:
    if item_kind(image_part(X[0])) in ("path", "encoded image"):
        return _read_list([X[i] for i in range(len(X))], float_range)
    return DatasetSource(X, float_range=float_range)


_COLLECTIONS = (
    _Collection(_is_source, _as_it_is),
    _Collection(_is_tensor, _read_tensor),
    _Collection(_is_array, _read_array),
    _Collection(_is_list, _read_list),
    _Collection(is_dataset, read_dataset),
    _Collection(is_image_column, read_column),
    _Collection(_is_torch_dataset, _read_torch_dataset),
    _Collection(_is_indexed, _read_indexed),
)
