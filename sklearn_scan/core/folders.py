"""The files of a folder: on the disk, in an archive, or at an address."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from sklearn_scan.core.archives import (
    ArchiveError,
    is_archive,
    is_compressed_tar,
    list_members,
    split_member,
)
from sklearn_scan.core.urls import check_protocols, list_url, local_path
from sklearn_scan.core.wording import Message, Setting

_FOLDER = Setting("folder")


def list_files(folder: str, *, recursive: bool) -> list[str]:
    """Return the files of a folder that are not hidden.

    Parameters
    ----------
    folder : str
        A folder, a .zip or .tar file, a folder in such a file, or an address.
    recursive : bool
        Whether to list the files of subfolders too; links to them are not followed.
    """
    local = local_path(folder)
    if local is None:
        return _visible(_files_at(folder, recursive), recursive)
    if os.path.isdir(local):
        return list(_walk(local, recursive))
    return _visible(_files_in_archive(local), recursive)


def _files_at(url: str, recursive: bool) -> dict[str, str]:
    """Return the files in a folder at an address, by name."""
    check_protocols([url])
    try:
        return list_url(url, recursive=recursive)
    except FileNotFoundError:
        raise FileNotFoundError(_missing(url)) from None
    except Exception as error:  # of whichever library the protocol is read by
        reason = str(error) or type(error).__name__
        raise OSError(
            Message(
                "{} must be an address that can be listed; got {!r}: {}",
                *(_FOLDER, url, reason),
            )
        ) from error


def _files_in_archive(path: str) -> dict[str, str]:
    """Return the files in an archive, or in a folder of it, by name."""
    archive, inside = split_member(path) or (path, "")
    if not os.path.exists(archive):
        raise FileNotFoundError(_missing(path))
    if is_compressed_tar(archive):
        raise ValueError(
            Message(
                "{} must be a folder, a .zip or a .tar; got {!r}, a tar that is "
                "compressed as a whole: unpack it, tar -xf {}.",
                *(_FOLDER, path, os.path.basename(path)),
            )
        )
    if not is_archive(archive):
        raise NotADirectoryError(
            Message(
                "{} must be a folder, a .zip or a .tar; got the file {!r}.",
                *(_FOLDER, path),
            )
        )
    try:
        files = list_members(archive, inside)
    except ArchiveError as error:
        raise ValueError(
            Message(
                "{} must be an archive that can be read; got {!r}, which is {}.",
                *(_FOLDER, archive, str(error)),
            )
        ) from error
    if inside and not files:
        raise FileNotFoundError(_missing(path))
    return files


def _missing(path: str) -> Message:
    return Message("{} must exist; got {!r}.", _FOLDER, path)


def _visible(files: dict[str, str], recursive: bool) -> list[str]:
    """Return the paths of files that are not hidden, by their names in the folder."""
    names = {name: name.split("/") for name in files}
    return [
        files[name]
        for name, parts in names.items()
        if (recursive or len(parts) == 1) and not any(p.startswith(".") for p in parts)
    ]


def _walk(folder: str, recursive: bool) -> Iterator[str]:
    """Yield the files of a folder on the disk that are not hidden."""
    for root, subfolders, files in os.walk(folder, onerror=_raise):
        subfolders[:] = [n for n in subfolders if recursive and not n.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield os.path.join(root, name)


def _raise(error: OSError) -> None:
    """Raise the error of an unreadable subfolder, which os.walk would skip."""
    raise error


def natural_key(path: str) -> tuple[list[str | int], str]:
    """Return a key that sorts digits by value, and ties such as 1 and 01 by path."""
    # the split alternates text and digits, so that the same types are compared
    parts = re.split(r"(\d+)", path.lower())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path
