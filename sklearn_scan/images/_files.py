"""Encoded images: decoded at the size needed, and identified by their content."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image, ImageFile, UnidentifiedImageError

from sklearn_scan.core.archives import is_archive, open_member, split_member
from sklearn_scan.core.bounded_reader import BoundedReader
from sklearn_scan.core.urls import local_path, open_url
from sklearn_scan.images._formats import open_image
from sklearn_scan.images._limits import PIXEL_BYTES, large_one_by_one
from sklearn_scan.images._messages import explain
from sklearn_scan.images._pixels import check_mode, pil_to_rgb

if TYPE_CHECKING:
    import torch

_ENOUGH_BYTES = 2**20  # of a small JPEG, which may have a large profile of colours
_new_digest = functools.partial(hashlib.blake2b, digest_size=16)


def decode_file(
    file: BinaryIO, max_pixels: int | None, ample_side: int | None = None
) -> Image.Image:
    """Return the image in a file, upright RGB; of an animation, the first frame."""
    with open_image(file, max_pixels) as image, large_one_by_one(image.size):
        check_mode(image)
        whole = image.size
        if ample_side is not None:
            image.draft(None, (ample_side, ample_side))
        if image.size == whole and _is_plain_jpeg(image):
            decoded = _decode_fast(file, whole)
            if decoded is not None:
                return decoded
            # Pillow reads more kinds, and explains errors
            image = open_image(file, max_pixels)
        image.load()
        return pil_to_rgb(image)


def _decode_fast(file: BinaryIO, size: tuple[int, int]) -> Image.Image | None:
    """Return a JPEG decoded by torchcodec; None if that cannot be done."""
    decode = _fast_decoder()
    if decode is None:
        return None
    # It takes the whole file: of one that is larger than its pixels, Pillow reads a
    # part, and takes less memory.
    limit = max(_ENOUGH_BYTES, PIXEL_BYTES * size[0] * size[1])
    file.seek(0)
    content = file.read(limit + 1)
    decoded = decode(content) if len(content) <= limit else None
    # of a damaged file the decoders may take different sizes for its own
    same = decoded is not None and sorted(decoded.size) == sorted(size)
    return decoded if same else None


def _is_plain_jpeg(image: Image.Image) -> bool:
    """Tell whether both decoders decode the image to the same pixels."""
    # An orientation may be in XMP alone, which only Pillow reads.
    return (
        image.format == "JPEG"
        and image.mode in ("RGB", "L")
        and b"tiff:Orientation" not in image.info.get("xmp", b"")
    )


def decoder_name() -> str:
    """Return the name of the decoder of files, "pillow" or "torchcodec"."""
    return "torchcodec" if _fast_decoder() else "pillow"


def decoder_settings() -> str:
    """Return the settings that the pixels of a file depend on, besides its content."""
    return f"{decoder_name()}, truncated: {ImageFile.LOAD_TRUNCATED_IMAGES}"


@functools.cache
def _fast_decoder() -> Callable[[bytes], Image.Image | None] | None:
    """Return torchcodec's decoder of JPEGs, if it is installed and can be loaded.

    It gives the same pixels as Pillow, upright, in two thirds of the time.
    """
    try:
        from torchcodec.decoders import decode_jpeg
    except Exception:  # not installed, or built for another torch
        return None

    def decode(content: bytes) -> Image.Image | None:
        try:
            image: torch.Tensor = decode_jpeg(content, mode="RGB")
        except RuntimeError:
            return None
        return Image.fromarray(image.permute(1, 2, 0).numpy())  # (3, h, w) → (h, w, 3)

    return decode


def check_header(file: BinaryIO, max_pixels: int | None) -> None:
    """Read the header of an image, which raises an error if that is damaged."""
    with open_image(file, max_pixels) as image:
        check_mode(image)


def content_key(file: BinaryIO) -> str:
    """Return a digest of the file's bytes, hexadecimal."""
    digest = hashlib.file_digest(file, _new_digest)  # type: ignore[arg-type]
    return digest.hexdigest()


def open_path(path: str) -> BinaryIO:
    """Open a file on the disk, in an archive or at an address.

    Parameters
    ----------
    path : str
        A path, such as `photos.zip/cats/1.jpg` in an archive, or an address.

    Returns
    -------
    file : binary file
        To be closed by the caller.

    Raises
    ------
    OSError
        If it does not exist or cannot be read; or if it is a folder or no file.
    """
    local = local_path(path)
    if local is None:
        return open_url(path)
    try:
        mode = os.stat(local).st_mode
    except (FileNotFoundError, NotADirectoryError):
        member = split_member(local)
        if member is None:
            raise
        return open_member(*member)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(mode):  # reading a pipe could wait without end
        raise OSError("not a file but a pipe, a socket or a device")
    return BoundedReader(io.FileIO(local))


def explain_path(path: str, error: Exception) -> str:
    """Return in a few words why the file of a path cannot be read."""
    local = local_path(path) or ""
    if isinstance(error, FileNotFoundError):
        broken = os.path.islink(local)
        return "a link to a file that does not exist" if broken else "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder: pass sklearn_scan.datasets.list_images(folder)"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, UnidentifiedImageError) and is_archive(local):
        return "an archive: pass sklearn_scan.datasets.list_images(archive)"
    return explain(error)
