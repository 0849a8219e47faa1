"""Zip and tar archives: their members, read one by one without unpacking.

A member is written as a path through the archive: `photos.zip/cats/1.jpg`.
"""

from __future__ import annotations

import functools
import io
import os
import posixpath
import re
import struct
import tarfile
import zipfile
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import BinaryIO, Protocol, cast

from sklearn_scan.core.bounded_reader import BoundedReader

ARCHIVES = (".zip", ".tar")
# Compressed as a whole: to read one member, all before it would be decompressed.
_COMPRESSED_TAR = re.compile(r"\.(tgz|tbz2?|txz|tar\.(gz|bz2|xz|zst))$", re.IGNORECASE)
_IN_ARCHIVE = re.compile(r"(.*?\.(?:zip|tar))[/\\](.+)", re.IGNORECASE | re.DOTALL)
_MOST_INDEXES = 1024
_ONE_INDEXER = Lock()
_ENCRYPTED = 0x1  # a flag of a zip's member
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # its mark, and two lengths at its end
_MARK = b"PK\3\4"
# What the libraries raise on damaged archives, beside errors of their own.
_DAMAGE = (EOFError, NotImplementedError, ValueError, struct.error)


class ArchiveError(OSError):
    """An archive that cannot be read."""


class _Member(Protocol):
    """Where a member is in its archive."""

    def check(self) -> None:
        """Raise if it cannot be read."""

    def open(self, archive: str) -> BinaryIO: ...


_Index = dict[str, _Member]  # by the member's name


def is_archive(path: str) -> bool:
    """Tell by its name whether a file is an archive that can be read."""
    return path.lower().endswith(ARCHIVES)


def is_compressed_tar(path: str) -> bool:
    """Tell by its name whether a file is a tar that is compressed as a whole."""
    return _COMPRESSED_TAR.search(path) is not None


def split_member(path: str) -> tuple[str, str] | None:
    """Return the archive and the member of a path through an archive, or None."""
    start = 0
    while found := _IN_ARCHIVE.match(path, start):
        archive = path[: found.end(1)]
        if os.path.isfile(archive):
            return archive, _normalize(found[2])
        start = found.end(1)  # a folder may have such a name too
    return None


def list_members(archive: str, folder: str = "") -> dict[str, str]:
    """Return the files in an archive, or in one of its folders.

    Keys are their names in the folder, and values their paths.
    """
    index = _index(archive)
    for member in index.values():
        member.check()
    start = f"{folder}/" if folder else ""
    return {
        name.removeprefix(start): f"{archive}/{name}"
        for name in index
        if name.startswith(start)
    }


def open_member(archive: str, name: str) -> BinaryIO:
    """Open a file in an archive; several threads may do so at once."""
    member = _index(archive).get(name)
    if member is None:
        raise FileNotFoundError(f"{archive}/{name}")
    return member.open(archive)


def has_member(path: str) -> bool:
    """Tell whether a path leads to a file in an archive that can be read."""
    place = split_member(path)
    if place is None:
        return False
    archive, name = place
    try:
        return name in _index(archive)
    except OSError:
        return False


def _normalize(name: str) -> str:
    """Return the name of a member within the archive, also where it leads out of it."""
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/")


def _index(archive: str) -> _Index:
    status = os.stat(archive)
    with _ONE_INDEXER:  # or every thread would read all headers at once
        return _read_index(archive, status.st_mtime_ns, status.st_size)


@functools.lru_cache(_MOST_INDEXES)
def _read_index(archive: str, _changed: int, _size: int) -> _Index:
    """Return the members of an archive, whose headers are read once."""
    try:
        return _index_zip(archive) if _is_zip(archive) else _index_tar(archive)
    except (zipfile.BadZipFile, tarfile.TarError, *_DAMAGE) as error:
        raise ArchiveError(f"damaged, or no archive ({error})") from error


def _is_zip(archive: str) -> bool:
    """Tell by its name whether an archive is a zip, and not a tar."""
    return archive.lower().endswith(".zip")


# Zip


@dataclass(frozen=True)
class _ZipMember:
    info: zipfile.ZipInfo

    def check(self) -> None:
        if self.info.flag_bits & _ENCRYPTED:
            raise ArchiveError("encrypted: unpack the archive with its password")

    def open(self, archive: str) -> BinaryIO:
        self.check()
        file = io.BufferedReader(io.FileIO(archive))
        try:
            file.seek(self.info.header_offset)
            header = file.read(_LOCAL_HEADER.size)
            if not header.startswith(_MARK) or len(header) < _LOCAL_HEADER.size:
                raise ArchiveError("damaged: the archive does not have it at its place")
            _, *lengths = _LOCAL_HEADER.unpack(header)  # may differ from the index's
            file.seek(sum(lengths), os.SEEK_CUR)
            # not by ZipFile.open: to make a ZipFile, all headers are read
            member = ZipMemberFile(file, self.info)
        except BaseException:
            file.close()
            raise
        return cast(BinaryIO, member)


class ZipMemberFile(zipfile.ZipExtFile):
    """A file in a zip.

    Attributes
    ----------
    size : int
        The bytes that can be read at most, as the archive says.
    """

    def __init__(self, archive: BinaryIO, info: zipfile.ZipInfo) -> None:
        super().__init__(archive, "r", info, close_fileobj=True)
        self.size = info.file_size


def _index_zip(archive: str) -> _Index:
    with zipfile.ZipFile(archive) as file:
        infos = [info for info in file.infolist() if not info.is_dir()]
    return {_normalize(info.filename): _ZipMember(info) for info in infos}


# Tar


@dataclass(frozen=True)
class _TarMember:
    offset: int
    size: int

    def check(self) -> None:
        """Tars are not encrypted."""

    def open(self, archive: str) -> BinaryIO:
        window = _Window(io.FileIO(archive), self.offset, self.size)
        return BoundedReader(window)


def _index_tar(archive: str) -> _Index:
    index: _Index = {}
    with tarfile.open(archive, "r:") as file:
        for info in file:
            if info.isreg() and not info.issparse():
                place = _TarMember(info.offset_data, info.size)
                index[_normalize(info.name)] = place
            elif info.islnk() and _normalize(info.linkname) in index:  # a second name
                index[_normalize(info.name)] = index[_normalize(info.linkname)]
        _check_end(file)
    return index


def member_places(archive: str, matches: Callable[[str], bool]) -> array[int]:
    """Return where in a tar those files begin whose names match, and nothing else.

    Raises
    ------
    ArchiveError
        If the tar is damaged.
    """
    places = array("q")
    try:
        with tarfile.open(archive, "r:") as file:
            for info in file:
                file.members = []  # type: ignore[attr-defined]  # it keeps them all
                if info.isreg() and not info.issparse() and matches(info.name):
                    places.append(info.offset)
            _check_end(file)
    except (tarfile.TarError, *_DAMAGE) as error:
        raise ArchiveError(
            f"{archive!r} is damaged, or no archive ({error})."
        ) from error
    return places


def member_name(archive: str, place: int) -> str:
    """Return the name of the file that begins at a place in a tar."""
    return _normalize(_member_at(archive, place).name)


def open_member_at(archive: str, place: int) -> BinaryIO:
    """Open the file that begins at a place in a tar."""
    info = _member_at(archive, place)
    return _TarMember(info.offset_data, info.size).open(archive)


def _member_at(archive: str, place: int) -> tarfile.TarInfo:
    with open(archive, "rb") as file:
        file.seek(place)
        try:
            # it reads the first member where the file stands
            info = tarfile.TarFile(fileobj=file).next()
        except tarfile.TarError as error:
            raise ArchiveError(f"changed, or damaged ({error})") from error
    if info is None:
        raise ArchiveError("changed: the archive does not have it at its place")
    return info


def _check_end(file: tarfile.TarFile) -> None:
    """Raise if the members ended at a damaged one, which `tarfile` takes for the end.

    After the last member there are zeros, or nothing.
    """
    assert file.fileobj is not None  # for mypy: the archive is open
    file.fileobj.seek(file.offset)
    if any(file.fileobj.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError(f"no member at byte {file.offset}, nor the end")


class _Window(io.RawIOBase):
    """A part of a file, as a file of its own."""

    def __init__(self, file: io.FileIO, offset: int, size: int) -> None:
        super().__init__()
        self._file, self._offset, self._size = file, offset, size
        file.seek(offset)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell() - self._offset

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}
        return self._file.seek(self._offset + start[whence] + offset) - self._offset

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        left = max(0, self._size - self.tell())
        return self._file.readinto(memoryview(buffer)[:left]) or 0

    def close(self) -> None:
        self._file.close()
        super().close()
