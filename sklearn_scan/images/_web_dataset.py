"""A folder of tars of images, as WebDataset writes them."""

from __future__ import annotations

import copy
import hashlib
import os
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from sklearn_scan.core.archives import member_name, member_places, open_member_at
from sklearn_scan.core.file_kinds import is_image_name
from sklearn_scan.core.folders import list_files, natural_key
from sklearn_scan.images._file_sources import FileSource, place_and_status
from sklearn_scan.images._files import explain_path


class WebDatasetSource(FileSource):
    """The images in the tars of a folder, for archives of millions of files.

    Of each tar, only the places of its images are kept: ten million images take some
    eighty megabytes of memory. Other files in the tars are left out, such as the texts
    and labels of WebDataset's samples.

    Parameters
    ----------
    folder : path
        The folder, or one tar. Tars are read in natural order, and images in the order
        that they have in their tar.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it has no tar that holds an image.
    OSError
        If a tar is damaged.

    Examples
    --------
    >>> import io, tarfile, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with tarfile.open(Path(folder, "000.tar"), "w") as tar:
    ...         for name in ["beach.jpg", "beach.json"]:
    ...             tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    ...     source = WebDatasetSource(folder)
    ...     len(source), Path(source.name(0)).name
    (1, 'beach.jpg')
    """

    _tars: list[str]
    _places: list[array[int]]
    _ends: list[int]  # in each tar, how many images there are up to its end

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        path = os.fspath(folder)
        if not os.path.exists(path):
            raise FileNotFoundError(f"There is no folder {path!r}.")
        files = list_files(path, recursive=True) if os.path.isdir(path) else [path]
        tars = sorted((f for f in files if _is_tar(f)), key=natural_key)
        places = {tar: member_places(tar, is_image_name) for tar in tars}
        vars(self).update(_fields(places))
        if not len(self):
            raise ValueError(f"{path!r} must hold tars of images; it has none.")

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _place(self, i: int) -> tuple[str, int]:
        """Return the tar of image `i`, and where in it."""
        number = range(len(self))[i]
        tar = bisect_right(self._ends, number)
        start = self._ends[tar - 1] if tar else 0
        return self._tars[tar], self._places[tar][number - start]

    def name(self, i: int) -> str:
        """Return the path of image `i`, through its tar."""
        tar, place = self._place(i)
        try:
            return f"{tar}/{member_name(tar, place)}"
        except OSError:  # the tar has changed, or is gone: reading says so
            return f"{tar}/(the file at byte {place})"

    def _open(self, i: int) -> BinaryIO:
        return open_member_at(*self._place(i))

    def for_worker(self, rows: range) -> WebDatasetSource:
        """Return the source of some of the images."""
        # by their places, since a tar may have several files of one name
        by_tar: dict[str, array[int]] = {}
        for row in rows:
            tar, place = self._place(row)
            by_tar.setdefault(os.path.abspath(tar), array("q")).append(place)
        part = copy.copy(self)
        vars(part).pop("_fingerprint", None)
        vars(part).update(_fields(by_tar))
        return part

    def _make_fingerprint(self) -> str:
        """Return a digest of the paths, sizes and times of the tars, and of places."""
        digest = hashlib.blake2b()
        for tar, places in zip(self._tars, self._places, strict=True):
            digest.update(place_and_status(tar) + places.tobytes())
        return digest.hexdigest()

    def _reason(self, i: int, error: Exception) -> str:
        return explain_path(self.name(i), error)


def _fields(places: Mapping[str, array[int]]) -> dict[str, Any]:
    """Return the attributes that hold images, by their places in each tar."""
    ends = accumulate(map(len, places.values()))
    return {"_tars": [*places], "_places": [*places.values()], "_ends": [*ends]}


def _is_tar(path: str) -> bool:
    return Path(path).suffix.lower() == ".tar"
