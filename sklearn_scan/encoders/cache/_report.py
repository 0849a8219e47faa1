"""The content of the cache: reported and deleted."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import joblib

from sklearn_scan.core import disk
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.encoders.cache._store import SUFFIX, has_tables

_FOLDER = "sklearn_scan"  # in the folder of `memory`, which may hold other things
SHARDS = "shards-"  # begins the names of the folders that workers write to


class CachedEncoder(NamedTuple):
    """The embeddings of one encoder in the cache.

    Attributes
    ----------
    encoder : str
        The name of its model.
    n_images : int
        The number of images whose embeddings are saved.
    n_bytes : int
        The size on disk.
    file : str
        The path of the file.
    """

    encoder: str
    n_images: int
    n_bytes: int
    file: str


class CacheInfo(NamedTuple):
    """What a cache of embeddings holds; ``print`` it for a table.

    Attributes
    ----------
    folder : str
        Its path.
    encoders : list of CachedEncoder
        From the largest to the smallest.
    """

    folder: str
    encoders: list[CachedEncoder]

    @property
    def n_images(self) -> int:
        """How many embeddings are kept, over all encoders."""
        return sum(entry.n_images for entry in self.encoders)

    @property
    def n_bytes(self) -> int:
        """The size on disk, over all encoders."""
        return sum(entry.n_bytes for entry in self.encoders)

    def __str__(self) -> str:
        rows = [(e.encoder, e.n_images, e.n_bytes) for e in self.encoders]
        rows.append(("in all", self.n_images, self.n_bytes))
        width = max(len(name) for name, *_ in rows)
        lines = [
            f"{name:<{width}} {n_images:>12,} images {n_bytes / 1e6:>12,.1f} MB"
            for name, n_images, n_bytes in rows
        ]
        return "\n".join([self.folder, *lines])


def cache_folder(memory: object) -> Path | None:
    """Return the folder that `memory` names; None where nothing is to be kept.

    Raises
    ------
    TypeError
        If `memory` is neither a path nor a joblib.Memory nor None.
    ValueError
        If it is an empty name.
    """
    # joblib.Memory(None) is scikit-learn's way to say: keep nothing
    location = memory.location if isinstance(memory, joblib.Memory) else memory
    if location is None:
        return None
    if not isinstance(location, str | os.PathLike):
        raise TypeError(
            Message(
                "{} must be {}; got {}.",
                Setting("memory"),
                Advice("memory", "a path, a joblib.Memory or None"),
                type(location).__name__,
            )
        )
    if not os.fspath(location):
        raise ValueError("memory must name a folder; got an empty name.")
    return Path(os.fspath(location), _FOLDER)


def cache_info(memory: str | Path | joblib.Memory) -> CacheInfo:
    """Report what a cache of embeddings holds.

    Parameters
    ----------
    memory : path or joblib.Memory
        What was passed as `memory` to a clusterer or an encoder.

    Returns
    -------
    CacheInfo
        With an entry for each encoder; it is empty if nothing was saved yet.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from torch import nn
    >>> from sklearn_scan import ImageEncoder
    >>> from sklearn_scan.encoders.cache import cache_info, clear_cache
    >>> images = np.arange(5 * 8 * 8, dtype=np.uint16).reshape(5, 8, 8) * 64
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     encoder = ImageEncoder(nn.Flatten(), input_size=8, memory=folder)
    ...     embedding = encoder.transform(images)
    ...     print(cache_info(folder).n_images)
    ...     removed = clear_cache(folder)
    ...     print(cache_info(folder).n_images)
    5
    0
    """
    folder = cache_folder(memory)
    if folder is None:
        raise ValueError("memory must name a folder; got one that keeps nothing.")
    files = [file for file in folder.glob(f"*{SUFFIX}") if file.is_file()]
    encoders = [_describe(file) for file in files]
    encoders.sort(key=lambda entry: -entry.n_bytes)
    return CacheInfo(str(folder), encoders)


def clear_cache(memory: str | Path | joblib.Memory) -> CacheInfo:
    """Delete all embeddings of a cache, and nothing else that is in its folder.

    Parameters
    ----------
    memory : path or joblib.Memory
        What was passed as `memory` to a clusterer or an encoder.

    Returns
    -------
    CacheInfo
        What was deleted.
    """
    info = cache_info(memory)
    for folder in Path(info.folder).glob(f"{SHARDS}*"):
        disk.remove_folder(folder)
    for entry in info.encoders:
        file = Path(entry.file)
        for part in file.parent.glob(f"{file.name}*"):  # with SQLite's journal
            disk.remove(part)
    return info


def _describe(file: Path) -> CachedEncoder:
    try:
        address = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as c:
            if not has_tables(c):
                raise ValueError("no tables")
            ((n_images,),) = c.execute("SELECT count(*) FROM embeddings")
            ((name,),) = c.execute("SELECT name FROM encoder LIMIT 1")
            if not isinstance(name, str):
                raise ValueError("no name")
    except (MemoryError, sqlite3.Error, ValueError):
        name, n_images = "(damaged)", 0
    return CachedEncoder(name, n_images, file.stat().st_size, str(file))
