"""What to pass in the place of what is no collection of images."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set, Sized
from itertools import islice
from typing import Any, NamedTuple

from PIL import Image

from sklearn_scan.core.archives import is_archive, is_compressed_tar
from sklearn_scan.core.file_kinds import is_image_name
from sklearn_scan.core.optional import is_instance
from sklearn_scan.core.urls import is_url
from sklearn_scan.images._file_sources import is_content
from sklearn_scan.images._hugging_face import LIBRARY, image_columns
from sklearn_scan.images._items import looks_like_image
from sklearn_scan.images._messages import call_for_columns
from sklearn_scan.images._tables import choose_column, columns_of_images

_LIST_IMAGES = "sklearn_scan.datasets.list_images"


class Refusal(NamedTuple):
    """A kind of X that is refused, with advice."""

    matches: Callable[[Any], bool]
    advise: Callable[[Any], str]  # the message, a sentence


def refusal_of(X: Any) -> str | None:
    """Return the message why X is refused; None if it is of another kind."""
    return next((advise(X) for matches, advise in _REFUSALS if matches(X)), None)


def _a(X: object) -> str:
    """Return the name of X's type, with its article."""
    name = type(X).__name__
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"


def _pass(expected: str, call: str) -> Callable[[Any], str]:
    return lambda X: f"X must {expected}; got {_a(X)}: pass {call}."


# One path


def _is_path(X: object) -> bool:
    return isinstance(X, str | os.PathLike)


def _one_path(X: str | os.PathLike[str]) -> str:
    path = os.fspath(X)
    start = f"X must hold several images; got {_a(X)}, {path!r}"
    if not is_url(path) and glob.has_magic(path) and not os.path.exists(path):
        return f"{start}: pass sorted(glob.glob({path!r}))."
    if is_image_name(path):
        return f"{start}, one image: pass [{path!r}]."
    if _is_container(path) or is_url(path):
        return f"{start}: pass {_LIST_IMAGES}({path!r})."
    return (
        f"{start}: for the images of a folder pass {_LIST_IMAGES}(folder), for one "
        "file a list: [file]."
    )


def _is_container(path: str) -> bool:
    """Tell whether a path is a folder, or by its name an archive."""
    return is_archive(path) or is_compressed_tar(path) or os.path.isdir(path)


def check_no_folder(X: Any) -> None:
    """Raise if X is a list whose only item is a folder or an archive.

    Raises
    ------
    TypeError
        With the call that lists its images.
    """
    if not isinstance(X, list | tuple) or len(X) != 1 or not _is_path(X[0]):
        return
    path = os.fspath(X[0])
    if _is_container(path):
        kind = "folder" if os.path.isdir(path) else "archive"
        raise TypeError(
            f"X must hold images; got {_a(X)} of one {kind}, {path!r}: pass "
            f"{_LIST_IMAGES}({path!r})."
        )


# Collections


def _splits(X: Mapping[str, Any]) -> str:
    return f"X must be one Dataset; got {_a(X)}: {call_for_columns(X)}."


def _is_hugging_face_stream(X: object) -> bool:
    return is_instance(X, LIBRARY, "IterableDataset")


def _hugging_face_stream(X: Any) -> str:
    column = next(iter(image_columns(X)), "image")
    return (
        "X must have a length and rows by index; got an IterableDataset of "
        "Hugging Face: load it without streaming, or pass "
        f"[row[{column!r}] for row in X]."
    )


def _is_stream(X: object) -> bool:
    import torch.utils.data

    return isinstance(X, torch.utils.data.IterableDataset) or (
        isinstance(X, torch.utils.data.Dataset) and not isinstance(X, Sized)
    )


def _is_loader(X: object) -> bool:
    import torch.utils.data

    return isinstance(X, torch.utils.data.DataLoader)


def _holds_images(X: Any) -> bool:
    """Tell whether the first of some items, which are not used up, is an image."""
    return any(looks_like_image(item) for item in islice(X, 1))


def _is_mapping_of_images(X: object) -> bool:
    return isinstance(X, Mapping) and _holds_images(X.values())


def _is_set_of_images(X: object) -> bool:
    return isinstance(X, Set) and _holds_images(X)


def _is_unindexed(X: object) -> bool:
    """Tell whether X can be iterated over again, and holds images, but has no index."""
    return (
        isinstance(X, Iterable)
        and not isinstance(X, Mapping)
        and not hasattr(type(X), "__getitem__")
        and not hasattr(X, "shape")  # as sparse matrices have, some without an index
        and _holds_images(X)
    )


def _is_list_of_rows(X: object) -> bool:
    return (
        isinstance(X, list | tuple)
        and len(X) > 0
        and isinstance(X[0], Mapping)
        and not is_content(X[0])
        and any(map(looks_like_image, X[0].values()))
    )


def _list_of_rows(X: Any) -> str:
    key = next(key for key, value in X[0].items() if looks_like_image(value))
    return (
        f"X must hold images; got {_a(X)} of {type(X[0]).__name__}: pass "
        f"[row[{key!r}] for row in X]."
    )


_AGAIN = "hold images that can be read again, as fit and predict do"
_INDEXED = "be a map-style Dataset, with a length and items by index"

_REFUSALS = (
    Refusal(_is_path, _one_path),
    Refusal(
        lambda X: isinstance(X, Image.Image),
        lambda _: "X must hold several images; got one PIL image: pass [image].",
    ),
    Refusal(is_content, _pass("hold several images", "[X]")),
    Refusal(
        lambda X: is_instance(X, LIBRARY, "DatasetDict", "IterableDatasetDict"),
        _splits,
    ),
    Refusal(_is_hugging_face_stream, _hugging_face_stream),
    Refusal(_is_stream, _pass(_INDEXED, "list(X)")),
    Refusal(_is_loader, _pass("hold images one by one", "its dataset, X.dataset")),
    Refusal(lambda X: isinstance(X, Iterator), _pass(_AGAIN, "list(X)")),
    Refusal(_is_mapping_of_images, _pass("hold images in order", "list(X.values())")),
    Refusal(_is_set_of_images, _pass("hold images in order", "sorted(X)")),
    Refusal(_is_unindexed, _pass("hold images by index", "list(X)")),
    Refusal(_is_list_of_rows, _list_of_rows),
    Refusal(lambda X: len(columns_of_images(X)) > 0, choose_column),
)
