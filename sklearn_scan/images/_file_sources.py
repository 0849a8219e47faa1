"""Sources of encoded images: paths, bytes and open files."""

from __future__ import annotations

import hashlib
import io
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from threading import Lock
from typing import Any, BinaryIO

import numpy as np
from PIL import UnidentifiedImageError

from sklearn_scan.core.archives import split_member
from sklearn_scan.core.optional import is_instance
from sklearn_scan.core.urls import check_protocols, local_path
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images._bad_images import try_each
from sklearn_scan.images._crop import SquareCrop
from sklearn_scan.images._files import (
    check_header,
    content_key,
    decode_file,
    explain_path,
    open_path,
)
from sklearn_scan.images._formats import has_added_formats, is_of_added_format
from sklearn_scan.images._limits import check_bytes, check_size
from sklearn_scan.images._messages import explain
from sklearn_scan.images._pixels import RGBImage
from sklearn_scan.images._sources import ImageSource

# Files that the caller has opened have one position, which a reader moves.
_ONE_READER = Lock()


class FileSource(ImageSource):
    """Encoded images, such as JPEGs, turned upright as their EXIF tags say.

    A subclass writes `__len__`, `name` and `_open`. Of an animation, the first frame is
    read. The content tells the format, and not the name: JPEG, PNG, GIF, WebP, BMP,
    TIFF, PPM, JPEG 2000, AVIF, or one that the user has added to Pillow.
    """

    # decoders raise nearly anything on damaged files
    _image_faults = (Exception,)

    @abstractmethod
    def _open(self, i: int) -> BinaryIO:
        """Open the content of image `i`, to be read and closed."""

    def __getitem__(self, i: int) -> RGBImage:
        with self._opened(i) as file:
            return np.array(decode_file(file, self.max_pixels))

    def read(self, i: int, crop: SquareCrop) -> RGBImage:
        """Return the crop of image `i`, decoded at no more than the size it needs."""
        with self._opened(i) as file:
            image = decode_file(file, self.max_pixels, crop.ample_side)
        return crop(image)

    def identity(self, i: int) -> str:
        """Return the content key of image `i`: a digest of its bytes."""
        with self._opened(i) as file:
            return content_key(file)

    def unreadable(self, rows: Iterable[int] | None = None) -> list[UnreadableImage]:
        """Read every image's header; damage inside shows when the image is read."""
        rows = range(len(self)) if rows is None else rows
        headers = try_each(self._check_header, rows)
        return [header for header in headers if header is not None]

    def _check_header(self, i: int) -> None:
        with self._opened(i) as file:
            check_header(file, self.max_pixels)

    def is_of_added_format(self, i: int) -> bool:
        """Tell whether image `i` may be of a format that the user has added."""
        if not has_added_formats():  # then the file need not be opened
            return False
        with self._opened(i) as file:
            return is_of_added_format(file)

    @contextmanager
    def _opened(self, i: int) -> Iterator[BinaryIO]:
        """Open the content of image `i`; what it is damaged by is an ImageReadError."""
        with self._reading(i), closing(self._open(i)) as file:
            check_bytes(file, self.max_pixels)
            yield file

    def _explain(self, i: int, error: Exception) -> str:
        if isinstance(error, UnidentifiedImageError) and self._is_empty(i):
            return "empty, zero bytes"
        return self._reason(i, error)

    def _reason(self, _i: int, error: Exception) -> str:
        """Return in a few words why image `i`, which is not empty, cannot be read."""
        return explain(error)

    def _is_empty(self, i: int) -> bool:
        with closing(self._open(i)) as file:
            return not file.read(1)


class PathSource(FileSource):
    """Images in files, turned upright as their EXIF tags say.

    Parameters
    ----------
    paths : sequence of str or os.PathLike
        One file an image. Of an animation, the first frame is read. A file in a zip or
        tar is written as `photos.zip/cats/1.jpg`. Addresses that fsspec knows, such as
        `https://host/1.jpg`, are read too; one that begins with `file://`, or with
        `zip://` on the disk, becomes a path.

    Raises
    ------
    ImportError
        If the package that an address needs is not installed.
    ValueError
        If an address has an unknown protocol.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        given = [os.fspath(path) for path in paths]
        check_protocols(given)
        self._paths = [path if (p := local_path(path)) is None else p for path in given]

    def __len__(self) -> int:
        return len(self._paths)

    def _open(self, i: int) -> BinaryIO:
        return open_path(self._paths[i])

    def name(self, i: int) -> str:
        """Return the path of image `i`."""
        return self._paths[i]

    def _make_fingerprint(self) -> str:
        """Return a digest of the paths, and of the sizes and times of the files."""
        digest = hashlib.blake2b()
        for path in self._paths:
            digest.update(place_and_status(path))
        return digest.hexdigest()

    def take(self, rows: Iterable[int]) -> PathSource:
        """Return the source of some of the files."""
        part = PathSource([self._paths[row] for row in rows])
        part.max_pixels = self.max_pixels
        return part

    def for_worker(self, rows: range) -> PathSource:
        """Return the source of some of the files, wherever the process is."""
        part = PathSource([_absolute(self._paths[row]) for row in rows])
        part.max_pixels = self.max_pixels
        return part

    def _check_header(self, i: int) -> None:
        if local_path(self._paths[i]) is not None:  # others would be fetched twice
            super()._check_header(i)

    def _reason(self, i: int, error: Exception) -> str:
        return explain_path(self._paths[i], error)


def _absolute(path: str) -> str:
    """Return the path of a file from the root of the disk; an address is one."""
    local = local_path(path)
    return path if local is None else os.path.abspath(local)


def place_and_status(path: str) -> bytes:
    """Return where a file is, with the size and the time of its change."""
    return f"{_absolute(path)}\0{_status(path)}".encode(errors="surrogatepass")


def _status(path: str) -> str:
    """Return the size and the time of change of a file, or of its archive."""
    local = local_path(path)
    if local is None:
        return "at an address"
    place = split_member(local)
    try:
        status = os.stat(local if place is None else place[0])
    except OSError:
        return "not there"
    return f"{status.st_size} {status.st_mtime_ns}"


class ContentSource(FileSource):
    """Images in memory as they are in files, or in open files.

    Parameters
    ----------
    items : sequence
        One an image: bytes; an open binary file, whose position is left as it was; a
        file that fsspec is to open; or a dict of `bytes` and `path`, as Hugging Face
        writes tables.
    """

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def _open(self, i: int) -> BinaryIO:
        return open_content(self._items[i], self.max_pixels)

    def name(self, i: int) -> str:
        """Return the path of image `i`, if it has one."""
        return content_name(self._items[i]) or super().name(i)

    def _looked_at(self) -> Sequence[int]:
        """Return all images: most are in memory."""
        return range(len(self))

    def _reason(self, i: int, error: Exception) -> str:
        name = content_name(self._items[i])
        return explain_path(name, error) if name else explain(error)


def is_content(item: object) -> bool:
    """Tell whether an item is an encoded image that `ContentSource` reads."""
    if isinstance(item, Mapping):
        return "bytes" in item and item.keys() <= {"bytes", "path"}
    if isinstance(item, bytes | bytearray | memoryview):
        return True
    return _is_open_file(item) or is_instance(item, "fsspec.core", "OpenFile")


def _is_open_file(item: object) -> bool:
    return all(callable(getattr(item, name, None)) for name in ("read", "seek", "tell"))


def content_name(item: Any) -> str | None:
    """Return the path of an encoded image; None if it has none."""
    if isinstance(item, Mapping):
        name = item.get("path")
    elif is_instance(item, "fsspec.core", "OpenFile"):
        name = item.full_name
    else:
        name = getattr(item, "name", None)
    # a file that was opened by its number has that for a name
    return os.fspath(name) if name and isinstance(name, str | os.PathLike) else None


def open_content(item: Any, max_pixels: int | None) -> BinaryIO:
    """Open an encoded image, as a file that may be closed.

    One that is open already is read, unless it is larger than any image may be.
    """
    if isinstance(item, Mapping):
        content = item.get("bytes")
        if content is None:
            if not item.get("path"):
                raise ValueError("no image: neither bytes nor a path is given")
            return open_path(item["path"])
    elif isinstance(item, bytes | bytearray | memoryview):
        content = item
    elif is_instance(item, "fsspec.core", "OpenFile"):
        with item as file:
            content = _read_open_file(file, max_pixels)
    else:
        content = _read_open_file(item, max_pixels)
    if isinstance(content, str):
        raise ValueError('opened as text: open it with mode "rb"')
    return io.BytesIO(content)


def _read_open_file(file: Any, max_pixels: int | None) -> bytes | str:
    """Return the content of an open file, which stays where it is."""
    if not file.seekable():
        raise ValueError("a stream that can be read only once: pass file.read()")
    with _ONE_READER:
        position = file.tell()
        try:
            check_size(file.seek(0, os.SEEK_END), max_pixels)
            file.seek(0)
            content: bytes | str = file.read()
        finally:
            file.seek(position)
    return content
