"""An embedding made by workers: a file for each range of images.

The files are in a folder that all workers see. The driver writes the encoder to it, and
a worker reads it once. Paths of images, and names of those that cannot be read, are all
that is sent. After a kill of a worker or of the driver, only those files are made that
are not there.
"""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cloudpickle
import joblib
import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sklearn_scan.core import disk
from sklearn_scan.core.device import resolve_device, resolve_precision
from sklearn_scan.core.files import durable_file
from sklearn_scan.core.locks import lock
from sklearn_scan.core.parallel import has_workers, run_tasks
from sklearn_scan.core.parts import (
    is_in_place,
    is_sound,
    part_file,
    read_part,
    write_part,
)
from sklearn_scan.core.rows import row_slices
from sklearn_scan.encoders._embedding_array import EmbeddingArray
from sklearn_scan.encoders.cache import SHARDS, digest
from sklearn_scan.exceptions import ImageReadError, UnreadableImage, WorkerError
from sklearn_scan.images import BadImages, ImageSource

if TYPE_CHECKING:
    from sklearn_scan.encoders._base import Encoder

# Images of a file: enough to be worth a task, and few enough that a kill costs little,
# and that all workers end at about the same time.
_LEAST, _MOST, _N_FILES = 128, 2048, 64
_ENCODER = "encoder.pickle"
_VECTORS, _UNREADABLE, _MADE_ON = "vectors", "unreadable", "made on"


class _Embedded(NamedTuple):
    """The embedding of some images."""

    vectors: NDArray[np.float32]  # without columns where no image can be read
    unreadable: list[UnreadableImage]  # with their rows among these images


class _Outcome(NamedTuple):
    """What a worker says of a range: why it could not be embedded, if so."""

    rows: range
    error: str = ""


@dataclass(eq=False)
class ShardedPass:
    """Embed images by workers, into files in a folder.

    Parameters
    ----------
    source : ImageSource
        The images; its `for_worker` returns parts of it.
    rows : range
        Those to embed.
    encoder : Encoder
        A fitted one, as workers are to use it: it skips images that cannot be read.
    identity : str
        A digest of all of it that decides an embedding.
    batch_size : int
        Images at once. Ranges are multiples of it, so that each batch is the same as
        without workers.
    folder : Path
        Where; made if it is not there, and removed when the embedding is complete.
    n_jobs : int or None
        The number of workers.
    """

    source: ImageSource
    rows: range
    encoder: Encoder
    identity: str
    batch_size: int
    folder: Path
    n_jobs: int | None
    # What the file of each range is made of, as it was when the pass began.
    _keys: dict[range, str] = field(default_factory=dict)
    _made_on: set[str] = field(default_factory=set)

    def run(
        self, array: EmbeddingArray, bad_images: BadImages, verbose: int = 0
    ) -> NDArray[np.float32]:
        """Return the embedding, put together from the files.

        Raises
        ------
        WorkerError
            If some cannot be made, when all others are; or if workers computed on
            different devices.
        """
        with array.filling():
            bad_images.add(array.bad)
            missing = [r for r in self._ranges() if self._end(r) > array.n_done]
            self._keys = {rows: self._key(rows) for rows in missing}
            self._make_all(verbose)
            for rows in missing:
                self._take_up(rows, array, bad_images)
                array.note(self._end(rows), bad_images.found)
            bad_images.raise_or_warn(len(array.rows))
            array.finish(bad_images.found)
        disk.remove_folder(self.folder)
        return array.result()

    def _make_all(self, verbose: int) -> None:
        """Make all files that are not there."""
        disk.make_folders(self.folder)
        with durable_file(self.folder / _ENCODER) as file:
            file.write(cloudpickle.dumps(self.encoder))
        tasks = [each for each in self._keys if not is_sound(*self._file_and_key(each))]
        progress = tqdm(
            total=len(self.rows),
            initial=len(self.rows) - sum(map(len, tasks)),
            desc="embedding",
            unit="image",
            disable=verbose <= 0,
        )
        reason, cause = "", None
        with progress:
            try:
                for outcome in self._outcomes(tasks):
                    progress.update(len(outcome.rows))
                    reason = reason or outcome.error
            except Exception as error:  # of the engine
                reason, cause = f"workers end at them ({error})", error
        missing = [each for each in tasks if not self._is_done(each)]
        if missing:
            raise WorkerError(self._describe(missing, reason)) from cause

    def _outcomes(self, tasks: list[range]) -> Iterator[_Outcome]:
        def arguments(rows: range) -> tuple[object, ...]:
            return self.folder, self.identity, rows, self._part(rows), self._keys[rows]

        return run_tasks(_embed, tasks, arguments, self._is_done, self.n_jobs)

    def _ranges(self) -> list[range]:
        """Return the ranges of images, a file each."""
        size = min(max(len(self.rows) // _N_FILES, _LEAST), _MOST)
        size = -(-size // self.batch_size) * self.batch_size
        return [self.rows[part] for part in row_slices(len(self.rows), size)]

    def _end(self, rows: range) -> int:
        """Return how many rows are done with those of a range."""
        return self.rows.index(rows[-1]) + 1

    def _part(self, rows: range) -> ImageSource:
        part = self.source.for_worker(rows)
        assert part is not None  # for mypy: `suits_workers` has asked
        return part

    def _key(self, rows: range) -> str:
        """Return what tells the content of a file: the encoder, and the images."""
        return digest(self.identity, self._part(rows).fingerprint())

    def _file_and_key(self, rows: range) -> tuple[Path, str]:
        return part_file(self.folder, rows), self._keys[rows]

    def _is_done(self, rows: range) -> bool:
        return is_in_place(*self._file_and_key(rows))

    def _take_up(
        self, rows: range, array: EmbeddingArray, bad_images: BadImages
    ) -> None:
        """Put the rows of one file into an array."""
        arrays, notes = read_part(part_file(self.folder, rows))
        self._check_device(notes[_MADE_ON])
        bad_images.add(
            each._replace(row=rows[each.row], path=self.source.name(rows[each.row]))
            for each in starmap(UnreadableImage, json.loads(notes[_UNREADABLE]))
        )
        if arrays[_VECTORS].shape[1]:  # some could be read
            for row, vector in zip(rows, arrays[_VECTORS], strict=True):
                array[row] = vector

    def _check_device(self, made_on: str) -> None:
        """Raise if a file was computed otherwise than those before."""
        self._made_on.add(made_on)
        if len(self._made_on) > 1:
            raise WorkerError(
                f"Workers computed on {' and '.join(sorted(self._made_on))}, which "
                "round otherwise: pass a device and a precision that all machines have."
            )

    def _describe(self, missing: list[range], reason: str) -> str:
        first = missing[0]
        names = " to ".join(repr(self.source.name(i)) for i in (first[0], first[-1]))
        n_images = sum(map(len, missing))
        return (
            f"Workers could not embed {n_images:,} of {len(self.rows):,} images, of "
            f"which the first are {names}: {reason}. With memory, out or checkpoint, "
            "what is done is kept, and the same call goes on from there."
        )


def suits_workers(source: ImageSource, n_images: int) -> bool:
    """Tell whether workers are to embed images: the user has some, and they can."""
    if n_images <= _LEAST or not has_workers():
        return False
    return source.for_worker(range(1)) is not None


@contextmanager
def folder_of_shards(
    memory: Path | None, identity: str, source: ImageSource, rows: range
) -> Iterator[Path]:
    """Provide a folder for the files of an embedding that goes to no file itself.

    It is in that of `memory`, of one pass over these images by this encoder. If another
    program makes the same pass, or there is no `memory`, it is a temporary one.
    """
    with ExitStack() as stack:
        if memory is not None:
            disk.make_folders(memory)
            names = [source.name(row) for row in rows]
            folder = memory / f"{SHARDS}{digest(identity, repr(rows), names)[:32]}"
            with suppress(TimeoutError):
                stack.enter_context(lock(folder))
                yield folder
                return
        yield stack.enter_context(disk.temporary_folder(memory))


def _embed(
    folder: Path, identity: str, rows: range, source: ImageSource, key: str
) -> _Outcome:
    """Embed some images on a worker, and write the file."""
    try:
        encoder = _load_encoder(folder / _ENCODER, identity)
        embedded = _embed_part(encoder, source)
        notes = {
            _UNREADABLE: json.dumps(embedded.unreadable),
            _MADE_ON: _describe_device(encoder),
        }
        write_part(part_file(folder, rows), key, {_VECTORS: embedded.vectors}, notes)
    except Exception as error:
        if (folder / _ENCODER).exists():
            return _Outcome(rows, f"{type(error).__name__}: {error}")
        return _Outcome(
            rows,
            f"a worker does not see what is in the folder {str(folder)!r}: choose one "
            "that all machines share",
        )
    return _Outcome(rows)


@functools.lru_cache(maxsize=1)
def _load_encoder(file: Path, _identity: str) -> Encoder:
    """Return the encoder of a run, which the worker holds until it gets another."""
    encoder: Encoder = cloudpickle.loads(file.read_bytes())
    return encoder


def _embed_part(encoder: Encoder, source: ImageSource) -> _Embedded:
    # Dask's workers have workers themselves, to which this would be given out again
    with warnings.catch_warnings(), joblib.parallel_config(backend="threading"):
        # the driver warns of unreadable images
        warnings.filterwarnings("ignore", ".* cannot be read", UserWarning)
        try:
            embedded = encoder.embed(source)
        except ImageReadError as error:  # none can be read
            vectors = np.empty((len(source), 0), np.float32)
            return _Embedded(vectors, [*error.failures])
    return _Embedded(embedded.features.array, embedded.unreadable)


def _describe_device(encoder: Encoder) -> str:
    device = resolve_device(encoder.device)
    return f"{device.type} ({resolve_precision(encoder.precision, device)})"
