"""Limits of what is decoded: the pixels of an image, and its bytes in a file."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image, ImageFile

from sklearn_scan.core.archives import ZipMemberFile
from sklearn_scan.core.wording import Message, Setting

MAX_PIXELS = 89_478_485
"""The most pixels of an image, unless another number is passed: 89 megapixels.

Pillow warns of larger images. Decoded, one of this size takes 358 MB."""

PIXEL_BYTES = 4  # of a decoded pixel, in Pillow
# Of an encoded pixel at most: four channels of 16 bits, not compressed.
_MOST_PIXEL_BYTES = 8
_ENOUGH_BYTES = 2**30


class _Lifted:
    """Pillow's own limit, while images above its default are decoded."""

    def __init__(self) -> None:
        self.one_large = threading.RLock()
        self._lock = threading.RLock()
        self._users: list[int | None] = []  # the user's limit, where it is lifted

    def users(self) -> int | None:
        """Return the limit that the user has set in Pillow, or Pillow's default."""
        with self._lock:
            return self._users[0] if self._users else Image.MAX_IMAGE_PIXELS

    def lift(self) -> None:
        """Let Pillow decode images of any size."""
        with self._lock:
            self._users.append(Image.MAX_IMAGE_PIXELS)
            Image.MAX_IMAGE_PIXELS = None

    def put_back(self) -> None:
        """Let the user's limit hold again."""
        with self._lock:
            Image.MAX_IMAGE_PIXELS = self._users.pop()


_lifted = _Lifted()


def _begin_child() -> None:
    """Let a forked child begin: a thread that it does not have may hold the locks."""
    global _lifted
    Image.MAX_IMAGE_PIXELS, _lifted = _lifted.users(), _Lifted()


class ImageLimitError(OSError):
    """An image is larger than the limit."""


def check_pixels(size: tuple[int, int], max_pixels: int | None) -> None:
    """Raise if an image has more pixels than the limit, before it is decoded.

    The user's own limit in Pillow, if it is lower than Pillow's default, holds too. A
    higher one takes the place of the default.
    """
    width, height = size
    n_pixels = width * height
    start = f"{width} x {height} pixels, {n_pixels:,} in all, more than"
    limit, pillows = _limit(max_pixels), _lifted.users()
    if limit is not None and n_pixels > limit:
        memory = n_pixels * PIXEL_BYTES / 1e9
        raise ImageLimitError(
            Message(
                "{} {}: pass a larger {} if you trust the file, and have {} GB of "
                "memory for it",
                *(start, Setting("max_pixels", limit), Setting("max_pixels")),
                f"{memory:.1f}",
            )
        )
    if pillows is not None and n_pixels > pillows and pillows < MAX_PIXELS:
        raise ImageLimitError(f"{start} PIL.Image.MAX_IMAGE_PIXELS={pillows}: raise it")


def _limit(max_pixels: int | None) -> int | None:
    """Return the limit that holds where the user may have raised Pillow's."""
    pillows = _lifted.users()
    is_raised = pillows is None or pillows > MAX_PIXELS
    return pillows if is_raised and max_pixels == MAX_PIXELS else max_pixels


def limits_of_pillow() -> tuple[int | None, bool]:
    """Return the user's settings of Pillow, to be handed to another process."""
    return _lifted.users(), ImageFile.LOAD_TRUNCATED_IMAGES


def set_limits_of_pillow(limits: tuple[int | None, bool]) -> None:
    """Take over the settings of another process."""
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits


@contextmanager
def large_one_by_one(size: tuple[int, int]) -> Iterator[None]:
    """Decode an image in the block: those above Pillow's default limit one by one.

    They have been checked, by a limit that somebody has raised. Pillow has a check of
    its own in some decoders, which cannot be told of this limit.
    """
    if size[0] * size[1] <= MAX_PIXELS:
        yield
        return
    lifted = _lifted
    with lifted.one_large:
        lifted.lift()
        try:
            yield
        finally:
            lifted.put_back()


def check_bytes(file: BinaryIO, max_pixels: int | None) -> None:
    """Raise if a file is larger than any image within the limit, before it is read.

    Some decoders read all of a file, and a file in an archive may be a thousand times
    as large as in there.
    """
    check_size(_size(file), max_pixels)


def check_size(n_bytes: int, max_pixels: int | None) -> None:
    """Raise if a file of some bytes is larger than any image within the limit."""
    max_pixels = _limit(max_pixels)
    if max_pixels is None:
        return
    limit = max(_ENOUGH_BYTES, max_pixels * _MOST_PIXEL_BYTES)
    if n_bytes > limit:
        raise ImageLimitError(
            Message(
                "{} GB, more than the {} GB that an image of {} takes at most: pass a "
                "larger {} if you trust the file, and have the memory for it",
                *(f"{n_bytes / 1e9:.1f}", f"{limit / 1e9:.1f}"),
                *(Setting("max_pixels", max_pixels), Setting("max_pixels")),
            )
        )


def _size(file: BinaryIO) -> int:
    if isinstance(file, ZipMemberFile):
        return file.size  # to go to its end, all would be decompressed
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_begin_child)
