"""The formats of encoded images, told by the content of a file and not by its name."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from sklearn_scan.images._limits import check_pixels, large_one_by_one

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Pillow's names of the formats that are read."""

_START = 32  # bytes that tell the format, and the size of some
_PILLOWS_START = 16  # of them, that Pillow's own tests of the format get
# What an opener raises on a file that is of another format after all.
_OTHER_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)
_TILE_SIDES = (TiffImagePlugin.TILEWIDTH, TiffImagePlugin.TILELENGTH)

_Opener = Callable[[BinaryIO, str], ImageFile.ImageFile]


def open_image(file: BinaryIO, max_pixels: int | None) -> ImageFile.ImageFile:
    """Return the image in a file, of which the header is read.

    Parameters
    ----------
    file : binary file
        At any position.
    max_pixels : int or None
        The limit of its pixels.

    Raises
    ------
    ImageLimitError
        If it is above the limit.
    UnidentifiedImageError
        If it is of no format that is read.
    """
    file.seek(0)
    start = file.read(_START)
    for name in _candidates():
        opener = _opener(name, start)
        if opener is None:
            continue
        size = _size_in_start(name, start)
        check_pixels(size, max_pixels)
        file.seek(0)
        try:
            with large_one_by_one(size):
                image = opener(file, "")
        except _OTHER_FORMAT:
            continue
        check_pixels(image.size, max_pixels)
        check_pixels(_tile_size(image), max_pixels)
        return image
    raise UnidentifiedImageError(_refusal(start))


def _candidates() -> Iterator[str]:
    """Yield the formats that are read; most files are of one of the first."""
    yield from FORMATS
    yield from _registered()


def has_added_formats() -> bool:
    """Tell whether the user has added formats to Pillow."""
    return bool(_registered())


def is_of_added_format(file: BinaryIO) -> bool:
    """Tell whether a file begins as one of a format that the user has added."""
    file.seek(0)
    start = file.read(_START)
    return any(_opener(name, start) is not None for name in _registered())


def _opener(name: str, start: bytes) -> _Opener | None:
    """Return what opens files of a format, if this file begins as one of them."""
    if name not in Image.OPEN:
        Image.init()
    opener, accepts = Image.OPEN.get(name, (None, None))
    return opener if accepts is None or _accepts(accepts, start) else None


def _accepts(test: Callable[[bytes], bool | str], start: bytes) -> bool:
    """Run Pillow's test whether a file begins as those of a format do."""
    try:
        result = test(start[:_PILLOWS_START])
    except _OTHER_FORMAT:  # of a file of a few bytes
        return False
    # text if Pillow was built without the decoder
    return bool(result) and not isinstance(result, str)


def _registered() -> list[str]:
    """Return the formats that the user has added to Pillow, such as HEIF."""
    openers = list(Image.OPEN.items())  # other threads may add Pillow's own
    return [
        name
        for name, (opener, _) in openers
        if not getattr(opener, "__module__", "").startswith("PIL.")
    ]


def _size_in_start(name: str, start: bytes) -> tuple[int, int]:
    """Return the size of an image whose opener makes a buffer of it; else nothing."""
    if name == "GIF" and len(start) >= 10:
        width, height = struct.unpack_from("<HH", start, 6)
        return width, height
    if name == "WEBP" and len(start) >= 30:
        return _webp_size(start)
    return 0, 0


def _webp_size(start: bytes) -> tuple[int, int]:
    kind = start[12:16]
    if kind == b"VP8X":  # 24 bits each, less one
        width, height = start[24:27], start[27:30]
        return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(height, "little")
    if kind == b"VP8L":  # 14 bits each, less one
        (bits,) = struct.unpack_from("<I", start, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", start, 26)
    return width & 0x3FFF, height & 0x3FFF  # the other two bits are a scale


def _tile_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Return the size of a TIFF's tiles, which may be larger than the image."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return 0, 0
    sides: list[Any] = [image.tag_v2.get(tag, 0) for tag in _TILE_SIDES]
    if not all(isinstance(side, int) for side in sides):
        raise ValueError("damaged: the size of its tiles is no number")
    return sides[0], sides[1]


def _refusal(start: bytes) -> str:
    """Return in a few words why a file of no format that is read is refused."""
    Image.init()
    for name, (_, accepts) in list(Image.OPEN.items()):
        if name not in FORMATS and accepts and _accepts(accepts, start):
            known = f"{', '.join(FORMATS[:-1])} and {FORMATS[-1]}"
            return f"perhaps {name}, and only {known} are read: convert it to PNG"
    return "not an image that PIL knows"
