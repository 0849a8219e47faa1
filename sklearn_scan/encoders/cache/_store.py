"""The SQLite file of an encoder's embeddings, each with a checksum.

SQLite locks the file, and keeps it whole where a process ends in the middle.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core import disk
from sklearn_scan.core.rows import row_slices
from sklearn_scan.core.warn import warn

SUFFIX = ".sqlite"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS embeddings "
    "(image TEXT PRIMARY KEY, checksum INTEGER NOT NULL, vector BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS encoder (name TEXT PRIMARY KEY)",
)
_HAS_TABLES = (  # a view of this name is none of ours, and may have rows without end
    "SELECT 1 FROM sqlite_master WHERE name = 'embeddings' AND type = 'table'"
)
# SQLite's errors for a sound file that cannot be used; all others mean damage.
_OUT_OF_REACH = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
_ROWS_A_QUERY = 500  # SQLite bounds the parameters of one statement
_LOCK_TIMEOUT = 60.0  # seconds one process waits while another writes
# Seconds of work that an interruption may cost; a write costs some milliseconds.
_FLUSH_INTERVAL = 2.0


class EmbeddingCache:
    """Embeddings by image content, in one SQLite file per encoder.

    Several processes may read and write at once. Nothing is pickled. A folder that
    cannot be used, or stops being usable, costs a warning and never the work.

    Parameters
    ----------
    folder : Path
        Where; made if it does not exist.
    encoder : str
        The encoder's `fingerprint`.
    name : str
        What the size report calls the encoder.
    """

    def __init__(self, folder: Path, encoder: str, name: str) -> None:
        self._file = folder / f"{encoder}{SUFFIX}"
        self._name = name
        self._unsaved: dict[str, NDArray[np.float32]] = {}
        self._saved_at = time.monotonic()
        self._given_up: set[str] = set()  # of reading and writing

    def read(self, images: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings of those `images`, content keys, that are known."""
        known: dict[str, NDArray[np.float32]] = {}

        def select(connection: sqlite3.Connection) -> None:
            if not has_tables(connection):
                return
            for part in row_slices(len(images), _ROWS_A_QUERY):
                keys = images[part]
                marks = ",".join("?" * len(keys))
                rows = connection.execute(
                    "SELECT image, checksum, vector FROM embeddings "
                    f"WHERE image IN ({marks})",
                    keys,
                )
                for image, checksum, vector in rows:
                    # damaged rows are left out
                    sound = isinstance(image, str) and isinstance(vector, bytes)
                    if sound and _checksum(image, vector) == checksum:
                        known[image] = np.frombuffer(vector, "<f4")

        if os.path.exists(self._file):  # False too where one may not look
            self._attempt("read", select)
        return known

    def add(self, image: str, vector: NDArray[np.float32]) -> None:
        """Keep an embedding, until it is written by `save` or `save_in_time`."""
        if np.isfinite(vector).all():  # an overflow need not happen the next time
            self._unsaved[image] = vector

    def save_in_time(self) -> None:
        """Write what was added, if that was not done for some seconds."""
        if time.monotonic() - self._saved_at > _FLUSH_INTERVAL:
            self.save()

    def save(self) -> None:
        """Write what was added since the last time."""
        rows = [
            (image, _checksum(image, blob := vector.astype("<f4").tobytes()), blob)
            for image, vector in self._unsaved.items()
        ]

        def insert(connection: sqlite3.Connection) -> None:
            # A crash of this process is safe all the same; of the whole machine,
            # damage is noticed and mended by embedding again.
            connection.execute("PRAGMA synchronous=OFF")
            with connection:
                for table in _TABLES:
                    connection.execute(table)
                name = "INSERT OR IGNORE INTO encoder VALUES (?)"
                connection.execute(name, (self._name,))
                connection.executemany(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows
                )

        if rows:
            self._attempt(
                "written", lambda c: disk.write_by_name(self._file, lambda: insert(c))
            )
        self._unsaved.clear()
        self._saved_at = time.monotonic()

    def _attempt(self, done: str, work: Callable[[sqlite3.Connection], None]) -> None:
        """Read or write the file; on an error, warn and go on without the cache."""
        if done in self._given_up:
            return
        try:
            disk.make_folders(self._file.parent)
            connection = sqlite3.connect(self._file, timeout=_LOCK_TIMEOUT)
            # damaged letters match no checksum
            connection.text_factory = lambda text: text.decode(errors="replace")
            with closing(connection):
                work(connection)
        except (MemoryError, OSError, sqlite3.Error) as error:
            code = getattr(error, "sqlite_errorcode", None)  # its kind: the lowest byte
            if code is not None and code & 0xFF not in _OUT_OF_REACH:
                self._warn(f"is damaged ({error}): it is begun anew")
                self._discard()
            else:
                self._given_up.add(done)
                self._warn(f"could not be {done} ({error}): the work goes on without")

    def _discard(self) -> None:
        try:
            for file in self._file.parent.glob(self._file.name + "*"):
                disk.remove(file)
        except OSError:
            self._given_up |= {"read", "written"}

    def _warn(self, what: str) -> None:
        warn(f"The cache of embeddings {str(self._file)!r} {what}.", UserWarning)


def has_tables(connection: sqlite3.Connection) -> bool:
    """Tell whether a database has the tables of a cache."""
    return connection.execute(_HAS_TABLES).fetchone() is not None


def _checksum(image: str, vector: bytes) -> int:
    """Return a checksum of both: damage gives no image the vector of another."""
    return zlib.crc32(vector, zlib.crc32(image.encode()))
