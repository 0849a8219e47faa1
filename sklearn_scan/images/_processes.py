"""Worker processes that read files, of which a file may crash one or never come back.

Each process is led by a thread of this process, which waits for one image at a time: so
it is known which image a process was lost at.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
from joblib.externals.loky.backend.context import get_context
from numpy.typing import NDArray

from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.exceptions import UnreadableImage
from sklearn_scan.images._bad_images import try_each
from sklearn_scan.images._crop import SquareCrop
from sklearn_scan.images._file_sources import PathSource
from sklearn_scan.images._limits import limits_of_pillow, set_limits_of_pillow
from sklearn_scan.images._sources import ImageSource

FILE_SECONDS = 60.0
"""How long a process may read one file. A large photo takes a second."""

_STARTS = 2  # of a process: it may be killed, for want of memory, as it starts
# One that waits for a disk which is gone ends later, and nobody waits for it.
_END_SECONDS = 5.0

_DEADLY = (
    "two processes ended as they read it ({}): it makes the decoder crash, or needs "
    "more memory than there is"
)

Read = NDArray[np.uint8] | UnreadableImage


def read_images(
    source: ImageSource, crop: SquareCrop, rows: Iterable[int]
) -> list[Read]:
    """Return the crops of images, or why one cannot be read."""
    return try_each(lambda row: source.read(row, crop), rows)


class ReadingProcesses:
    """Processes that read files.

    Parameters
    ----------
    n_processes : int
        Each is started when there is work for it.
    """

    def __init__(self, n_processes: int) -> None:
        self._readers = [_Reader() for _ in range(n_processes)]
        self._free: SimpleQueue[_Reader] = SimpleQueue()
        for reader in self._readers:
            self._free.put(reader)
        self._threads = ThreadPoolExecutor(n_processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for reader in self._readers:
            reader.close()
        self._threads.shutdown(cancel_futures=True)

    def submit(
        self, source: ImageSource, crop: SquareCrop, rows: list[int]
    ) -> Future[list[Read]]:
        """Read some files; the result has an entry for each of the rows."""
        assert isinstance(source, PathSource)  # for mypy: others are read by threads
        # only the paths of this job: to pickle all would take longer than to read
        return self._threads.submit(self._read, source.take(rows), crop)

    def _read(self, source: PathSource, crop: SquareCrop) -> list[Read]:
        reader = self._free.get()
        try:
            return reader.read(source, crop)
        finally:
            self._free.put(reader)


class _LostError(Exception):
    """A process has ended while it read an image."""


class _OverdueError(_LostError):
    """A process did not come back from an image in time."""


class _Reader:
    """One process, and its successors where it is lost."""

    def __init__(self) -> None:
        self._lock = Lock()  # of starting and closing, which are of two threads
        self._closed = False
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def read(self, source: PathSource, crop: SquareCrop) -> list[Read]:
        """Return the crops of all images of a source, or why one cannot be read."""
        images: list[Read] = []
        lost_at = -1
        while len(images) < len(source):
            try:
                self._read_on(source, crop, images)
            except _LostError as error:
                self._end()
                row = len(images)
                # A process may be killed for want of memory at any image: it is the
                # image's fault if the next process ends at it too.
                if isinstance(error, _OverdueError):
                    images.append(UnreadableImage(row, source.name(row), str(error)))
                elif row == lost_at:
                    reason = _DEADLY.format(error)
                    images.append(UnreadableImage(row, source.name(row), reason))
                lost_at = row
        return images

    def _read_on(
        self, source: PathSource, crop: SquareCrop, images: list[Read]
    ) -> None:
        """Add the images that are still to be read."""
        rows = range(len(images), len(source))
        pipe = self._ask(source.take(rows), crop)
        for row in rows:
            image = self._answer(pipe)
            if isinstance(image, UnreadableImage) and _is_of_added_format(source, row):
                (image,) = read_images(source, crop, [row])
            images.append(image)

    def _ask(self, source: PathSource, crop: SquareCrop) -> Connection:
        """Begin to read files, in a new process if there is none."""
        job = source, crop, limits_of_pillow()
        if self._pipe is not None:
            with suppress(OSError):  # it was ended while it had nothing to do
                self._pipe.send(job)
                return self._pipe
            self._end()
        pipe = self._start()
        with suppress(OSError):  # if it has ended, there will be no answer
            pipe.send(job)
        return pipe

    def _answer(self, pipe: Connection) -> Read:
        if not pipe.poll(FILE_SECONDS):
            raise _OverdueError(f"reading it took longer than {FILE_SECONDS:g} seconds")
        try:
            answer: Read | Exception = pipe.recv()
        except (EOFError, OSError) as error:
            raise _LostError(self._exit()) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _start(self) -> Connection:
        """Start a process, and wait until it has imported what it needs."""
        for _ in range(_STARTS):
            pipe = self._launch()
            with suppress(EOFError, OSError):
                pipe.recv()
                return pipe
            exit_code = self._exit()
            self._end()
        raise RuntimeError(
            Message(
                "Processes that read images ended when they were started ({}). Try {}, "
                "which reads images in this process.",
                *(exit_code, Setting("n_jobs", 1)),
            )
        )

    def _launch(self) -> Connection:
        # loky's processes need no `if __name__ == "__main__"` in the user's script
        context = get_context("loky")
        ours: Connection
        ours, theirs = context.Pipe()
        with self._lock:
            if self._closed:
                raise RuntimeError("The images are no longer asked for.")
            self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
            self._process.start()
            self._pipe = ours
        theirs.close()
        return ours

    def _exit(self) -> str:
        assert self._process is not None  # for mypy: one was started
        self._process.join(_END_SECONDS)
        return f"exit code {self._process.exitcode}"

    def _end(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            process, pipe = self._process, self._pipe
            self._process = self._pipe = None
        if process is not None and pipe is not None:
            process.terminate()
            process.join(_END_SECONDS)
            pipe.close()

    def close(self) -> None:
        """Start no other process, and end this one; its thread then comes back."""
        with self._lock:
            self._closed = True
            process = self._process
        if process is not None:
            process.terminate()
            process.join(_END_SECONDS)


def _is_of_added_format(source: PathSource, row: int) -> bool:
    """Tell whether a file is of a format that this process alone was taught."""
    return try_each(source.is_of_added_format, [row]) == [True]


def _serve(pipe: Connection) -> None:
    """Read files, in a process of its own, as they are asked for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the process that asks
    with suppress(EOFError, OSError):  # that process is gone
        pipe.send("ready")
        while True:
            source, crop, limits = pipe.recv()
            set_limits_of_pillow(limits)
            for row in range(len(source)):
                pipe.send(_read_one(source, crop, row))


def _read_one(source: PathSource, crop: SquareCrop, row: int) -> Read | Exception:
    try:
        (image,) = read_images(source, crop, [row])
    except Exception as error:  # of this machine, such as too many open files
        return error
    return image
