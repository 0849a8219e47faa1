"""A list of images in a file: a column of paths in a CSV or Parquet table."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from sklearn_scan.core.urls import is_url
from sklearn_scan.images._file_sources import FileSource, PathSource, place_and_status
from sklearn_scan.images._files import explain_path, open_path

# Names of the column of paths, in the order in which they are looked for.
_COLUMNS = ("path", "file", "filename", "file_name", "image")
_PARQUET = (".parquet", ".pq")


class ManifestSource(FileSource):
    r"""The images that a table lists, for archives of millions of files.

    Paths stay in the table and are read when they are used: ten million of them take
    some eighty megabytes of memory.

    Parameters
    ----------
    table : path
        A CSV file (UTF-8, with a header) or a Parquet file, which needs pyarrow.
    column : str, default=None
        The column of the paths. None takes the first of path, file, filename,
        file_name and image that there is. A path is one that `PathSource` reads; if it
        is relative, it begins in the folder of the table.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If it is a Parquet file, and pyarrow is not installed.
    ValueError
        If the table is empty or has no such column, or if a row has no path or one that
        is listed already.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "photos.csv")
    ...     _ = table.write_text("path,year\nbeach.jpg,2019\nparty.jpg,2020\n")
    ...     source = ManifestSource(table)
    ...     len(source), Path(source.name(1)).name
    (2, 'party.jpg')
    """

    def __init__(
        self, table: str | os.PathLike[str], *, column: str | None = None
    ) -> None:
        file = Path(table)
        read = _ParquetColumn if file.suffix.lower() in _PARQUET else _CsvColumn
        self._paths: Sequence[str] = read(file, column)
        self._folder = os.fspath(file.parent)
        _check_paths(file, self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, i: int) -> str:
        """Return the path of image `i`."""
        path = self._paths[i]
        return path if is_url(path) else os.path.join(self._folder, path)

    def _open(self, i: int) -> BinaryIO:
        return open_path(self.name(i))

    def for_worker(self, rows: range) -> PathSource:
        """Return the source of some of the files."""
        paths = PathSource([self.name(row) for row in rows])
        paths.max_pixels = self.max_pixels
        return paths.for_worker(range(len(rows)))

    def _make_fingerprint(self) -> str:
        """Return a digest of the paths, and of the sizes and times of the files."""
        digest = hashlib.blake2b()
        for i in range(len(self)):
            digest.update(place_and_status(self.name(i)))
        return digest.hexdigest()

    def _reason(self, i: int, error: Exception) -> str:
        return explain_path(self.name(i), error)


class _CsvColumn(Sequence[str]):
    """A column of a CSV file, of which only the places of the rows are kept."""

    def __init__(self, file: Path, column: str | None) -> None:
        self._file, self._status = file, _status(file)
        try:
            starts = _row_starts(file)
            if len(starts) < 2:
                raise ValueError(f"{str(file)!r} is empty: it must have a header.")
            header = self._row(starts[0], starts[1])
        except UnicodeDecodeError as error:
            raise ValueError(f"{str(file)!r} must be in UTF-8 ({error}).") from error
        header[0] = header[0].removeprefix("\ufeff")  # as Excel begins a file
        self._column = header.index(_choose_column(file, header, column))
        self._starts = starts[1:]

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, i: Any) -> Any:
        number = range(len(self))[i]
        row = self._row(self._starts[number], self._starts[number + 1])
        return row[self._column] if self._column < len(row) else ""

    def _row(self, start: int, end: int) -> list[str]:
        _check_same(self._file, self._status)
        with open(self._file, "rb") as content:
            content.seek(start)
            text = content.read(end - start).decode()
        return next(csv.reader(io.StringIO(text, newline="")))


def _row_starts(file: Path) -> array[int]:
    """Return the places of the rows of a CSV file, and of its end."""
    position = 0

    def lines(content: BinaryIO) -> Iterator[str]:
        nonlocal position
        for line in content:
            position += len(line)
            yield line.decode()

    starts, start = array("q"), 0
    with open(file, "rb") as content:
        # it takes as many lines as a row has: one, unless there are breaks in quotes
        for row in csv.reader(lines(content)):
            if row:
                starts.append(start)
            start = position
    starts.append(position)
    return starts


class _ParquetColumn(Sequence[str]):
    """A column of a Parquet file, read by groups of rows as they are used."""

    def __init__(self, file: Path, column: str | None) -> None:
        self._file, self._status = file, _status(file)
        self._open_table()
        self._column = _choose_column(file, self._table.schema_arrow.names, column)
        groups = range(self._table.num_row_groups)
        sizes = [self._table.metadata.row_group(group).num_rows for group in groups]
        self._ends = np.cumsum(sizes).tolist()

    def _open_table(self) -> None:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise ImportError(
                f"To read {str(self._file)!r}, install pyarrow: pip install pyarrow."
            ) from error
        self._table = parquet.ParquetFile(self._file)
        self._group = functools.lru_cache(maxsize=2)(self._read_group)
        self._one_reader = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without what is open, for other processes."""
        opened = ("_table", "_group", "_one_reader")
        return {name: each for name, each in vars(self).items() if name not in opened}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._open_table()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, i: Any) -> Any:
        row = range(len(self))[i]
        group = bisect_right(self._ends, row)
        start = self._ends[group - 1] if group else 0
        _check_same(self._file, self._status)
        with self._one_reader:
            return self._group(group)[row - start].as_py() or ""

    def _read_group(self, group: int) -> Any:
        (column,) = self._table.read_row_group(group, [self._column]).columns
        return column.combine_chunks()


def _status(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _check_same(file: Path, status: tuple[int, int]) -> None:
    """Raise if a table has changed since its rows were found."""
    if _status(file) != status:
        raise OSError(f"{str(file)!r} has changed: make the ManifestSource anew.")


def _choose_column(file: Path, columns: list[str], asked: str | None) -> str:
    """Return the name of the column of paths."""
    wanted = _COLUMNS if asked is None else (asked,)
    for name in wanted:
        if name in columns:
            return name
    wanted_text = " or ".join(map(repr, wanted))
    raise ValueError(
        f"{str(file)!r} must have a column {wanted_text}; it has "
        f"{', '.join(map(repr, columns))}: pass column."
    )


def _check_paths(file: Path, paths: Sequence[str]) -> None:
    """Raise if there are no paths, or if one is empty or listed twice."""
    if not len(paths):
        raise ValueError(f"{str(file)!r} lists no images.")
    digests = np.empty(len(paths), np.uint64)
    for i, path in enumerate(paths):
        if not path:
            raise ValueError(f"{str(file)!r} has no path in row {i + 1}.")
        digest = hashlib.blake2b(path.encode(errors="surrogatepass"), digest_size=8)
        digests[i] = int.from_bytes(digest.digest())
    order = digests.argsort(kind="stable")
    alike = np.flatnonzero(digests[order[1:]] == digests[order[:-1]])
    for first, second in zip(order[alike], order[alike + 1], strict=True):
        if paths[first] == paths[second]:  # and not their digests alone
            raise ValueError(
                f"{str(file)!r} lists {paths[first]!r} twice, in rows {first + 1} and "
                f"{second + 1}: leave one out."
            )
