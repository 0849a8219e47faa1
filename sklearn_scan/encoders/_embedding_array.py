"""The rows of an embedding, in memory or in a file.

Until it is complete the file is in a hidden folder beside its place, with a note of how
many rows are done and of their checksums. There an interrupted pass goes on.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from sklearn_scan.core import disk
from sklearn_scan.core.files import durable_file, naming
from sklearn_scan.core.locks import lock
from sklearn_scan.exceptions import ImageReadError, UnreadableImage

_INTERVAL = 5.0  # seconds of work that an interruption may cost
_ROWS, _NOTE = "rows.npy", "progress.json"
# What reading a damaged note may raise.
_DAMAGE = (OSError, LookupError, TypeError, ValueError)


class EmbeddingArray:
    """The rows of an embedding in memory, filled in any order.

    Parameters
    ----------
    rows : range
        The images, by their numbers in the source.

    Attributes
    ----------
    n_done : int
        How many of the first rows are done, when the pass begins.
    bad : list of UnreadableImage
        Those of them that could not be read.
    shards : Path or None
        Where workers may keep parts of a file; None for an array in memory.
    """

    shards: Path | None = None

    def __init__(self, rows: range) -> None:
        self.n_done = 0
        self.bad: list[UnreadableImage] = []
        self.rows = rows
        self._array: NDArray[np.float32] | None = None

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Fill the array in the block."""
        yield

    def __setitem__(self, row: int, vector: NDArray[np.float32]) -> None:
        if self._array is None:  # the first row says how long rows are
            self._array = self._make(len(vector))
        self._array[self.rows.index(row)] = vector

    def _make(self, width: int) -> NDArray[np.float32]:
        return np.empty((len(self.rows), width), np.float32)

    def note(self, n_done: int, bad: Sequence[UnreadableImage]) -> None:
        """Note that so many of the first rows are done, but for those unreadable."""

    def finish(self, bad: Sequence[UnreadableImage]) -> None:
        """Fill the rows of unreadable images with NaN."""
        assert self._array is not None  # for mypy: some image was readable
        self._array[[self.rows.index(each.row) for each in bad]] = np.nan

    def result(self) -> NDArray[np.float32]:
        """Return the complete array, after the block of `filling`."""
        assert self._array is not None
        return self._array


class KeptRows(EmbeddingArray):
    """The rows of an embedding in a folder, where an interrupted pass goes on.

    Parameters
    ----------
    rows : range
        The images, by their numbers in the source.
    folder : Path
        Where; made if it is not there. It stays when all rows are done.
    identity : str
        A digest of all that the rows depend on.
    """

    def __init__(self, rows: range, folder: Path, identity: str) -> None:
        super().__init__(rows)
        self._folder = self._named = folder
        self.shards = folder.with_name(f"{folder.name}-shards")
        self._identity = identity
        self._spans: list[tuple[int, int]] = []  # the end of each, and its checksum
        self._latest: tuple[int, Sequence[UnreadableImage]] = (0, [])
        self._noted_at = time.monotonic()

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Fill the rows in the block.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        with naming(self._named):
            try:
                disk.make_folders(self._folder)
                self._resume()
                yield
                self._complete()
            except ImageReadError:  # once images are mended, they are others
                self._discard()
                raise
            except BaseException:
                self._stop()
                raise

    def note(self, n_done: int, bad: Sequence[UnreadableImage]) -> None:
        """Note how many of the first rows are done; every few seconds on the disk."""
        self._latest = n_done, bad
        if time.monotonic() - self._noted_at > _INTERVAL:
            with suppress(OSError):  # a full disk: the room for the rows is there
                self._write_note()

    def finish(self, bad: Sequence[UnreadableImage]) -> None:
        """Fill the rows of unreadable images with NaN."""
        super().finish(bad)
        self._latest = len(self.rows), bad

    def result(self) -> NDArray[np.float32]:
        """Return a copy of the rows in memory."""
        array: NDArray[np.float32] = np.load(self._folder / _ROWS)
        return array

    def _complete(self) -> None:
        """Note that all rows are done."""
        self._write_note()
        self._array = None

    def _make(self, width: int) -> NDArray[np.float32]:
        file = self._folder / _ROWS
        shape = len(self.rows), width
        array: NDArray[np.float32] = disk.write_by_name(
            file, lambda: open_memmap(file, "w+", np.float32, shape)
        )
        if hasattr(os, "posix_fallocate"):
            # A full disk is an error here; written to, a map of it is a crash.
            with open(file, "r+b") as content:
                os.posix_fallocate(content.fileno(), 0, os.path.getsize(file))
        return array

    def _write_note(self) -> None:
        """Write the rows that are done to the disk, and then the note of them."""
        n_done, bad = self._latest
        before = self._spans[-1][0] if self._spans else 0
        if self._array is None or n_done == before:
            return
        spans = [*self._spans, (n_done, _checksum(self._array[before:n_done]))]
        _flush(self._array)
        disk.sync(self._folder / _ROWS)
        note = {
            "identity": self._identity,
            "spans": spans,
            "bad": self._among(bad, n_done),
        }
        with durable_file(self._folder / _NOTE) as file:
            file.write(json.dumps(note).encode())
        self._spans = spans
        self._noted_at = time.monotonic()

    def _resume(self) -> None:
        """Go on with the rows that an interrupted pass has left, if they are sound."""
        with suppress(*_DAMAGE):
            note = json.loads((self._folder / _NOTE).read_bytes())
            if note["identity"] == self._identity:
                self._take_up(note)
        if not self.n_done:  # another pass's, or damaged
            self._array = None
            disk.remove_folder(self._folder)
            disk.make_folder(self._folder)

    def _take_up(self, note: dict[str, Any]) -> None:
        bad = [UnreadableImage(*each) for each in note["bad"]]
        array = open_memmap(self._folder / _ROWS, "r+")
        if array.dtype != np.float32 or array.ndim != 2 or len(array) != len(self.rows):
            return
        for end, checksum in note["spans"]:
            if _checksum(array[self.n_done : end]) != checksum:
                break
            self._spans.append((end, checksum))
            self.n_done = end
        self.bad = self._among(bad, self.n_done)
        self._array = array

    def _stop(self) -> None:
        """Keep what is done, if anything is."""
        with suppress(OSError):
            self._write_note()
        self._array = None
        if not self._spans:
            self._discard()

    def _among(
        self, bad: Sequence[UnreadableImage], n_done: int
    ) -> list[UnreadableImage]:
        """Return those unreadable images that are among the first rows."""
        return [each for each in bad if self.rows.index(each.row) < n_done]

    def _discard(self) -> None:
        self._array = None
        with suppress(OSError):  # then the next pass deletes it
            disk.remove_folder(self._folder)


class EmbeddingFile(KeptRows):
    """The rows of an embedding in a .npy file, which appears when it is complete.

    A pass that stops in the middle leaves what it has done in a hidden folder beside
    the file. The next one of the same images by the same encoder goes on from there.

    Parameters
    ----------
    rows, identity
        As for `KeptRows`.
    out : path
        The file.

    Raises
    ------
    FileNotFoundError
        If there is no folder for the file.
    """

    def __init__(self, rows: range, out: str | os.PathLike[str], identity: str) -> None:
        self._out = Path(out)
        if not self._out.name or self._out.is_dir() or not self._out.parent.is_dir():
            raise FileNotFoundError(
                f"out must be a file in a folder that exists; got {str(out)!r}."
            )
        hidden = self._out.with_name(f".{self._out.name}.rows")
        super().__init__(rows, hidden, identity)
        self._named = self._out  # in errors of the disk

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Fill the file in the block; after it the file is in place.

        Raises
        ------
        OSError
            If another program fills it, or it cannot be written.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(lock(self._out))
            except TimeoutError as error:
                raise OSError(
                    f"{str(self._out)!r} is being written by another program."
                ) from error
            with super().filling():
                yield
            self._discard()

    def result(self) -> NDArray[np.float32]:
        """Return the complete file, mapped; if it is written to, the file stays."""
        array: NDArray[np.float32] = np.load(self._out, mmap_mode="c")
        return array

    def _complete(self) -> None:
        """Give the file its name; if that fails, the next pass does it."""
        super()._complete()
        disk.replace(self._folder / _ROWS, self._out)
        disk.sync(self._out.parent)


def _flush(array: NDArray[np.float32]) -> None:
    """Have the system take over what was written to a mapped array."""
    assert isinstance(array, np.memmap)  # for mypy: it is a file's
    disk.write_by_name(array.filename or "", array.flush)


def _checksum(rows: NDArray[np.float32]) -> int:
    return zlib.crc32(np.ascontiguousarray(rows).data)
