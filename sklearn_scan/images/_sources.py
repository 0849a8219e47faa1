"""Sources of images: arrays, PIL images and datasets."""

from __future__ import annotations

import errno
import hashlib
import os
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import RLock
from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageFile

from sklearn_scan.core.optional import is_instance
from sklearn_scan.exceptions import ImageReadError, UnreadableImage
from sklearn_scan.images._crop import SquareCrop
from sklearn_scan.images._limits import MAX_PIXELS, check_pixels
from sklearn_scan.images._messages import explain
from sklearn_scan.images._pixels import (
    RGBImage,
    array_to_rgb,
    check_array_shape,
    check_item_shape,
    expected_values,
    pil_to_rgb,
    resolve_float_range,
    tensor_to_array,
    value_out_of_range,
)

_LOOKED_AT = 16  # images whose content tells a collection from others
_PROBED_ITEMS = 16  # of a dataset that is read lazily, to know the range of its floats
# Datasets are read by one thread at a time; cache keys and batches are read in two.
_ONE_READER = RLock()
# Errors of decoders. Other errors of a Dataset are faults of its code, not of a file.
_DECODER_ERRORS = (OSError, EOFError, SyntaxError, Image.DecompressionBombError)


class ImageSource(ABC):
    """A collection of images, read one at a time.

    Attributes
    ----------
    float_range : float or None
        The value of white in images of floats: 1.0 or 255.0. None if the images are
        not floats.
    max_pixels : int or None
        The most pixels of an image that is to be decoded, or was opened by Pillow. One
        that has more cannot be read. None is no limit.
    thread_safe : bool
        Whether several threads may read images at once.
    """

    float_range: float | None = None
    max_pixels: int | None = MAX_PIXELS
    thread_safe: bool = True
    # Errors that mean, while an image is read, that the image cannot be read.
    _image_faults: ClassVar[tuple[type[Exception], ...]] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, i: int) -> RGBImage:
        """Return image `i`, (h, w, 3) RGB uint8, which the caller may write to."""

    def read(self, i: int, crop: SquareCrop) -> RGBImage:
        """Return the crop of image `i`, (size, size, 3) RGB uint8.

        Raises
        ------
        ImageReadError
            If the image cannot be read.
        """
        return crop(self[i])

    def name(self, i: int) -> str:
        """Return the name of image `i` for messages: its path, if it has one."""
        return f"X[{i}]"

    def identity(self, i: int) -> str:
        """Return the content key of image `i`: equal images have equal keys.

        Parameters
        ----------
        i : int
            The number of the image.

        Returns
        -------
        key : str
            Hexadecimal digits.
        """
        image = self[i]
        return hashlib.blake2b(
            repr(image.shape).encode() + image.tobytes(), digest_size=16
        ).hexdigest()

    def for_worker(self, rows: range) -> ImageSource | None:
        """Return a source of some of the images that another process can read.

        Parameters
        ----------
        rows : range
            The images, by their numbers.

        Returns
        -------
        ImageSource or None
            One that is small to send. None, as by default, if there is none, such as of
            images in memory.
        """
        return None

    def fingerprint(self) -> str:
        """Return a digest by which the collection is known again.

        It is made once. By default it is one of the names of all images, and of the
        content of 16 of them.

        Returns
        -------
        str
            Hexadecimal digits.
        """
        if not hasattr(self, "_fingerprint"):
            self._fingerprint = self._make_fingerprint()
        return self._fingerprint

    def _make_fingerprint(self) -> str:
        digest = hashlib.blake2b()
        for i in range(len(self)):
            digest.update(f"{self.name(i)}\0".encode(errors="surrogatepass"))
        for i in self._looked_at():
            with suppress(ImageReadError):  # of one that cannot be read, the name
                digest.update(self.identity(i).encode())
        return digest.hexdigest()

    def _looked_at(self) -> Sequence[int]:
        """Return the images whose content tells the collection from others."""
        n_images = len(self)
        some = np.linspace(0, n_images - 1, min(n_images, _LOOKED_AT), dtype=int)
        return [int(i) for i in some]

    def unreadable(self, rows: Iterable[int] | None = None) -> list[UnreadableImage]:
        """List images, of all or some rows, that a quick look finds unreadable."""
        return []

    @contextmanager
    def _reading(self, i: int) -> Iterator[None]:
        """Raise an ImageReadError for errors that are the image's fault."""
        try:
            yield
        except self._image_faults as error:
            if _is_fault_of_machine(error):
                raise
            failure = UnreadableImage(i, self.name(i), self._explain(i, error))
            raise ImageReadError([failure]) from error

    def _explain(self, _i: int, error: Exception) -> str:
        """Return in a few words why image `i` cannot be read."""
        return explain(error)


def _is_fault_of_machine(error: Exception) -> bool:
    """Tell whether memory ran out, or too many files are open."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError)
        and error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE)
    )


class ArraySource(ImageSource):
    """Images of one array.

    Parameters
    ----------
    images : ndarray of shape (n, h, w) or (n, h, w, c)
        With c = 1 (grey), 3 (RGB) or 4 (RGBA). It is never written to.
    float_range : {1.0, 255.0}, default=None
        The value of white in an array of floats; None decides by its maximum.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_scan.images import ArraySource
    >>> source = ArraySource(np.zeros((5, 8, 8)))
    >>> source[0].shape, source.float_range
    ((8, 8, 3), 1.0)
    """

    def __init__(self, images: np.ndarray, *, float_range: float | None = None) -> None:
        check_array_shape(images.shape)
        self.float_range = resolve_float_range(images, float_range)
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> RGBImage:
        return array_to_rgb(self._images[i], self.float_range)

    def _make_fingerprint(self) -> str:
        """Return a digest of all images."""
        images = self._images
        digest = hashlib.blake2b(f"{images.shape}{images.dtype}".encode())
        for image in images:
            digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()


class PILSource(ImageSource):
    """PIL images, turned upright as their EXIF tags say.

    Parameters
    ----------
    images : sequence of PIL.Image.Image
        Of any sizes and modes. They are not altered; lazy ones are loaded.
    """

    # files that PIL has opened are decoded when they are first used
    _image_faults = (Exception,)

    def __init__(self, images: Sequence[Image.Image]) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> RGBImage:
        with self._reading(i):
            return np.array(self._rgb(i))

    def read(self, i: int, crop: SquareCrop) -> RGBImage:
        """Return the crop of image `i`."""
        with self._reading(i):
            image = self._rgb(i)
            image.load()
        return crop(image)

    def _rgb(self, i: int) -> Image.Image:
        _check_file(self._images[i], self.max_pixels)
        return pil_to_rgb(self._images[i])

    def name(self, i: int) -> str:
        """Return the path of the file that image `i` was opened from, if any."""
        path = getattr(self._images[i], "filename", "")
        return os.fsdecode(path) if path else super().name(i)


def _check_file(image: Image.Image, max_pixels: int | None) -> None:
    """Raise if an image in a file is above the limit; others are in memory already."""
    if isinstance(image, ImageFile.ImageFile):
        check_pixels(image.size, max_pixels)


class DatasetSource(ImageSource):
    """Images of a torch Dataset, or of a list of what such a dataset holds.

    Parameters
    ----------
    items : torch.utils.data.Dataset (map-style), list or tuple
        Items are images, or tuples of which the first element is the image: a PIL
        image, an array (h, w) or (h, w, c), or a tensor (h, w) or (c, h, w).
    float_range : {1.0, 255.0}, default=None
        The value of white in images of floats. None decides by the maximum over a
        list, or over the first 16 items of a Dataset. A value given holds for all
        floats of a Dataset, wherever the first of them comes.
    """

    # Datasets keep file handles and caches, for one reader each.
    thread_safe = False
    _image_faults = _DECODER_ERRORS

    def __init__(self, items: Any, *, float_range: float | None = None) -> None:
        in_memory = isinstance(items, list | tuple)
        n_probed = len(items) if in_memory else min(len(items), _PROBED_ITEMS)
        probed = []
        for i in range(n_probed):
            # an image that cannot be read is reported when all are read
            with suppress(*self._image_faults):
                probed.append(_item_image(items[i]))
        arrays = [image for image in probed if isinstance(image, np.ndarray)]
        self.float_range = resolve_float_range(arrays, float_range)
        if self.float_range is None and not in_memory:
            self.float_range = float_range  # floats may come after those probed
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, i: int) -> RGBImage:
        with _ONE_READER, self._reading(i):
            image = _item_image(self._items[i])
            if isinstance(image, Image.Image):
                _check_file(image, self.max_pixels)
                return np.array(pil_to_rgb(image))
        value = value_out_of_range(image, self.float_range)
        if value is not None:
            raise ValueError(
                f"X[{i}] must hold {expected_values(image, self.float_range)} "
                f"as the first items of X do; got the value {value:g}. Scale all "
                "images alike."
            )
        return array_to_rgb(image, self.float_range)

    def name(self, i: int) -> str:
        """Return the path of image `i`, if the dataset has it."""
        return item_path(self._items, i) or super().name(i)

    def _looked_at(self) -> Sequence[int]:
        """Return all images of a list, which are in memory."""
        if isinstance(self._items, list | tuple):
            return range(len(self))
        return super()._looked_at()


def item_path(dataset: Any, i: int) -> str | None:
    """Return the path of an item, as torchvision's folders and parts of them have it.

    None if it is not known.
    """
    if is_instance(dataset, "torch.utils.data", "Subset"):
        return item_path(dataset.dataset, int(dataset.indices[i]))
    if is_instance(dataset, "torch.utils.data", "ConcatDataset"):
        part = bisect_right(dataset.cumulative_sizes, i)
        start = dataset.cumulative_sizes[part - 1] if part else 0
        return item_path(dataset.datasets[part], i - start)
    samples = getattr(dataset, "samples", None)  # (path, class)
    if not isinstance(samples, Sequence) or len(samples) != len(dataset):
        return None
    path = image_part(samples[i])
    return os.fspath(path) if isinstance(path, str | os.PathLike) else None


def image_part(item: Any) -> Any:
    """Return the image of a dataset's item, without its label."""
    return item[0] if isinstance(item, tuple) and item else item


def _item_image(item: Any) -> Image.Image | np.ndarray:
    """Return the image of a dataset's item, as an array with channels last."""
    import torch

    image = image_part(item)
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, torch.Tensor):
        image = tensor_to_array(image, channel_axis=0)
    if not isinstance(image, np.ndarray):
        raise TypeError(
            "X must hold PIL images, arrays or tensors, or tuples that "
            f"begin with one; got {type(image).__name__}."
        )
    check_item_shape(image.shape)
    return image
