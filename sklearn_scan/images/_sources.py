"""Where images come from: arrays, files, PIL images and datasets."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from sklearn_scan.exceptions import ImageReadError
from sklearn_scan.images._pixels import (
    RGBImage,
    array_to_rgb,
    check_array_shape,
    check_item_shape,
    check_mode,
    expected_values,
    pil_to_rgb,
    settle_float_range,
    tensor_to_array,
    value_out_of_range,
)

_PROBED_ITEMS = 16  # of a lazily read dataset, to settle the range of its floats


class ImageSource(ABC):
    """A collection of images, read one at a time.

    Attributes
    ----------
    float_range : float or None
        The value read as white in images of floats: 1.0 or 255.0. None when the
        images are not floats.
    thread_safe : bool
        Whether several threads may read images at once.
    """

    float_range: float | None = None
    thread_safe: bool = True

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, i: int) -> RGBImage:
        """Image `i`, (h, w, 3) RGB uint8, in memory that the caller may write to."""

    def identity(self, i: int) -> str:
        """Content key of image `i`: equal images have equal keys.

        Parameters
        ----------
        i : int
            Which image.

        Returns
        -------
        key : str
            Hexadecimal digits.
        """
        image = self[i]
        return hashlib.blake2b(
            repr(image.shape).encode() + image.tobytes(), digest_size=16
        ).hexdigest()

    def check(self) -> None:  # noqa: B027 - most sources have nothing to check
        """Look for unreadable images, cheaply, before any long work.

        Raises
        ------
        ImageReadError
            Naming every file that cannot be read.
        """


class ArraySource(ImageSource):
    """Images of one array.

    Parameters
    ----------
    images : ndarray of shape (n, h, w) or (n, h, w, c)
        With c = 1 (grey), 3 (RGB) or 4 (RGBA). It is never written to.
    float_range : {1.0, 255.0}, default=None
        The value that is white in an array of floats; None decides by its maximum.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.images import ArraySource
    >>> source = ArraySource(np.zeros((5, 8, 8)))
    >>> source[0].shape, source.float_range
    ((8, 8, 3), 1.0)
    """

    def __init__(
        self, images: npt.NDArray[Any], *, float_range: float | None = None
    ) -> None:
        check_array_shape(images.shape)
        self.float_range = settle_float_range(images, float_range)
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> RGBImage:
        return array_to_rgb(self._images[i], self.float_range)


class PathSource(ImageSource):
    """Images in files, turned upright as their EXIF tags say.

    Parameters
    ----------
    paths : sequence of str or os.PathLike
        One file an image. Of an animation, the first frame is read.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self._paths = [os.fspath(path) for path in paths]

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, i: int) -> RGBImage:
        path = self._paths[i]
        with _reading(path), Image.open(path) as image:
            return pil_to_rgb(image)

    def identity(self, i: int) -> str:
        """Content key of image `i`, of the file's bytes: neither decoded nor named."""
        path = self._paths[i]
        with _reading(path), open(path, "rb") as file:
            return hashlib.blake2b(file.read(), digest_size=16).hexdigest()

    def check(self) -> None:
        """Open every file's header; damage inside shows when the image is read."""
        errors = []
        for path in self._paths:
            try:
                with _reading(path), Image.open(path) as image:
                    check_mode(image)
            except ImageReadError as error:
                errors.append(error)
        if errors:
            raise ImageReadError.merge(errors)


class PILSource(ImageSource):
    """PIL images, turned upright as their EXIF tags say.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
        Of any sizes and modes. They are never altered.
    """

    def __init__(self, images: Sequence[Image.Image]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> RGBImage:
        return pil_to_rgb(self._images[i])


class DatasetSource(ImageSource):
    """Images of a torch Dataset, or of a list of what such a dataset holds.

    Parameters
    ----------
    items : torch.utils.data.Dataset (map-style), list or tuple
        Items are images, or tuples of which the first element is the image: a PIL
        image, an array (h, w) or (h, w, c), or a tensor (h, w) or (c, h, w).
    float_range : {1.0, 255.0}, default=None
        The value that is white in images of floats. None decides by the maximum over
        a list, or over the first 16 items of a Dataset. A value given holds for all
        floats of a Dataset, wherever the first of them comes.
    """

    # Datasets keep file handles and caches, and are written for one reader each.
    thread_safe = False

    def __init__(self, items: Any, *, float_range: float | None = None) -> None:
        in_memory = isinstance(items, list | tuple)
        n_probed = len(items) if in_memory else min(len(items), _PROBED_ITEMS)
        images = [_item_image(items[i]) for i in range(n_probed)]
        arrays = [image for image in images if isinstance(image, np.ndarray)]
        self.float_range = settle_float_range(arrays, float_range)
        if self.float_range is None and not in_memory:
            self.float_range = float_range  # floats may come after those probed
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: int) -> RGBImage:
        image = _item_image(self._items[i])
        if isinstance(image, Image.Image):
            return pil_to_rgb(image)
        value = value_out_of_range(image, self.float_range)
        if value is not None:
            raise ValueError(
                f"Expected X[{i}] to hold {expected_values(image, self.float_range)} "
                f"as the first items of X do, got the value {value:g}. Scale all "
                "images alike."
            )
        return array_to_rgb(image, self.float_range)


def image_part(item: Any) -> Any:
    """Leave out the label of a dataset's item, where it has one."""
    return item[0] if isinstance(item, tuple) and item else item


def _item_image(item: Any) -> Image.Image | npt.NDArray[Any]:
    """Take the image, channels last, out of a dataset's item."""
    import torch

    image = image_part(item)
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, torch.Tensor):
        image = tensor_to_array(image, channel_axis=0)
    if not isinstance(image, np.ndarray):
        raise TypeError(
            "Expected items of X to be PIL images, arrays or tensors, or tuples that "
            f"begin with one, got {type(image).__name__}."
        )
    check_item_shape(image.shape)
    return image


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn whatever goes wrong with a file into an ImageReadError."""
    try:
        yield
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise ImageReadError([(path, _reason(path, error))]) from error


def _reason(path: str, error: Exception) -> str:
    """Say in a few words why a file cannot be read."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if os.path.isdir(path):
        return "a folder: pass sklearn_scan.datasets.list_images(folder)"
    if isinstance(error, UnidentifiedImageError):
        empty = os.path.getsize(path) == 0
        return "empty, zero bytes" if empty else "not an image that PIL knows"
    return str(error) or type(error).__name__
