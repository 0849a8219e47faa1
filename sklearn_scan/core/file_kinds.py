"""Kinds of files, by their extensions: images, and those taken for images."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sklearn_scan.core.archives import ARCHIVES

IMAGES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
# Files that people may take for images too, but that are not read. They are counted by
# name; all others, such as texts, are counted together.
_PHOTOS = (".heic", ".heics", ".heif", ".jxl")
_RAW = (
    ".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2",
    ".srf", ".srw", ".x3f",
)  # fmt: skip
_VIDEOS = (
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".webm", ".wmv",
)  # fmt: skip
_DOCUMENTS = (
    ".ai", ".dcm", ".dds", ".eps", ".exr", ".fits", ".hdr", ".ico", ".pdf", ".psd",
    ".svg", ".tga", ".xcf",
)  # fmt: skip
_ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst")
_NAMED = frozenset(_PHOTOS + _RAW + _VIDEOS + _DOCUMENTS + _ARCHIVES)
OTHERS = "other"


def is_image_name(path: str) -> bool:
    """Tell whether a file is an image, by its extension."""
    if "::" in path:  # an address of an archive's member, which comes first
        path = path.split("::", 1)[0]
    return _extension(path) in IMAGES


def file_kind(path: str) -> str:
    """Return the extension of a file that may be taken for an image, or "other"."""
    extension = _extension(path)
    return extension if extension in _NAMED else OTHERS


def way_on(kinds: Iterable[str], *, in_folder: bool) -> str:
    """Return what to do with files of some kinds, in a folder of the disk or not."""
    found = set(kinds)
    if found & {*_PHOTOS, *_RAW}:
        return "convert them to JPEG"
    if found & set(_VIDEOS):
        return "save frames of the videos as JPEG"
    if in_folder and found & set(ARCHIVES):
        return "pass list_images(archive)"
    if found & set(_ARCHIVES):
        return "unpack them"
    return "convert them to JPEG or PNG"


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lower()
