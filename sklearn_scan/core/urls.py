"""Addresses such as s3://bucket/cat.jpg, read through fsspec."""

from __future__ import annotations

import functools
import io
import re
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROTOCOL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_LOCAL_ARCHIVE = re.compile(r"(zip|tar)://(.*?)::(.+)", re.IGNORECASE | re.DOTALL)
# fsspec reads the archive behind such an address for one thread at a time.
_ONE_READER = Lock()


def is_url(path: str) -> bool:
    """Tell whether a path is an address of some protocol."""
    return _PROTOCOL.match(path) is not None


def local_path(path: str) -> str | None:
    """Return the path of what is on this machine's disk; None for other addresses.

    >>> local_path("cat.jpg"), local_path("zip://cats/1.jpg::photos.zip")
    ('cat.jpg', 'photos.zip/cats/1.jpg')
    >>> local_path("s3://bucket/cat.jpg")
    """
    if "://" not in path:  # nearly always
        return path
    if chain := _LOCAL_ARCHIVE.fullmatch(path):
        archive = local_path(chain[3])
        if archive is None or not archive.lower().endswith(f".{chain[1].lower()}"):
            return None
        return f"{archive}/{chain[2].lstrip('/')}".rstrip("/")
    if path.lower().startswith("file://") and "::" not in path:
        return url2pathname(urlsplit(path, allow_fragments=False).path)
    return None if is_url(path) else path


def check_protocols(paths: Iterable[str]) -> None:
    """Raise if an address has an unknown protocol, or a package for it is missing."""
    seen: set[str] = set()
    for path in paths:
        if "://" in path and is_url(path):
            # from the last: what is inside an archive is read after the archive
            for protocol in reversed(_PROTOCOL.findall(path.lower())):
                if protocol not in seen:
                    _check_protocol(protocol, path)
                    seen.add(protocol)


def _check_protocol(protocol: str, url: str) -> None:
    from fsspec.registry import get_filesystem_class

    try:
        get_filesystem_class(protocol)
    except ImportError as error:
        raise ImportError(
            f"To read {url!r}, {protocol}:// needs another package: "
            f"pip install {_package(protocol)}."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{url!r} has the unknown protocol {protocol}://: pass paths, or addresses "
            "that fsspec knows, such as https:// and s3://."
        ) from error


def _package(protocol: str) -> str:
    """Return the name of the package that a protocol needs, as pip takes it."""
    from fsspec.registry import known_implementations

    module: str = known_implementations[protocol]["class"].split(".")[0]
    extra = "http" if protocol == "https" else protocol
    return f"'fsspec[{extra}]'" if module == "fsspec" else module


def open_url(url: str) -> BinaryIO:
    """Return the content of a file at an address."""
    if "::" not in url:
        files, path = _filesystem(url)
        return io.BytesIO(files.cat_file(path))
    first, archive = url.split("::", 1)
    protocol, path = first.split("://", 1)
    with _ONE_READER:
        return io.BytesIO(_archive(protocol, archive).cat_file(path))


def list_url(url: str, *, recursive: bool) -> dict[str, str]:
    """Return the files in a folder at an address.

    Keys are their names in the folder, and values their addresses.
    """
    files, root = _filesystem(url)
    if recursive:
        paths = files.find(root)
    else:
        entries = files.ls(root, detail=True)
        paths = [entry["name"] for entry in entries if entry["type"] == "file"]
    return {
        path.removeprefix(root).strip("/"): _address(path, files, url) for path in paths
    }


def _address(path: str, files: Any, folder: str) -> str:
    """Return the address of a file in the folder at an address."""
    if "::" not in folder:
        return str(files.unstrip_protocol(path))
    protocol, archive = folder.split("://", 1)[0], folder.split("::", 1)[1]
    return f"{protocol}://{path}::{archive}"


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec

    files, path = fsspec.core.url_to_fs(url)
    return files, path


@functools.lru_cache(16)
def _archive(protocol: str, archive: str) -> Any:
    """Return the filesystem in a remote archive, whose headers are read once."""
    return _filesystem(f"{protocol}://::{archive}")[0]
