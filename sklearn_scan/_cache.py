"""The cache of embeddings: each image once per encoder, whoever asks."""

from __future__ import annotations

import inspect
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from types import CodeType

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

# Part of every key: raise it when the meaning of what is stored changes.
_FORMAT = "1"
_ROWS_A_QUERY = 500  # SQLite bounds the parameters of one statement
_LOCK_TIMEOUT = 60.0  # seconds one process waits while another writes


def fingerprint(module: nn.Module, *settings: str) -> str:
    """Return a key of all that decides an embedding: weights, layout and settings."""
    digest = blake2b(digest_size=16)
    for text in (_FORMAT, str(module), *settings):
        digest.update(text.encode())
    for name, part in module.named_modules():
        # What a forward pass may read besides weights, such as the kind of a pooling.
        plain = {key: value for key, value in vars(part).items() if _is_plain(value)}
        digest.update(f"{name}{sorted(plain.items())}".encode())
        # ... and what it does: a forward pass edited in a notebook is another encoder.
        functions = [
            type(part).forward,
            *filter(inspect.isfunction, vars(part).values()),
        ]
        digest.update("".join(map(_describe_code, functions)).encode())
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        # as bytes, since NumPy has no bfloat16
        digest.update(value.detach().cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _describe_code(function: object) -> str:
    """Return the instructions of a function, its constants and what it closes over."""
    code = getattr(function, "__code__", function)
    if not isinstance(code, CodeType):
        return ""
    constants = [_describe_code(c) or repr(c) for c in code.co_consts]
    cells = [c.cell_contents for c in getattr(function, "__closure__", None) or ()]
    closed_over = [_describe_code(cell) or repr(cell) for cell in cells]
    return f"{code.co_code.hex()}{code.co_names}{constants}{closed_over}"


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)


def cache_folder(memory: object) -> Path | None:
    """Return the folder that `memory` names; None where nothing is to be kept.

    Raises
    ------
    TypeError
        If `memory` is neither a path nor a joblib.Memory nor None.
    """
    # joblib.Memory(None) is scikit-learn's way to say: keep nothing
    location = memory.location if isinstance(memory, joblib.Memory) else memory
    if location is None:
        return None
    if not isinstance(location, str | os.PathLike):
        raise TypeError(
            "memory must be a path, a joblib.Memory or None; got "
            f"{type(location).__name__}."
        )
    return Path(location)


class EmbeddingCache:
    """Embeddings by image content, in one SQLite file per encoder.

    Several processes may read and write at once. Nothing is pickled.

    Parameters
    ----------
    folder : Path
        Where; made if it does not exist.
    encoder : str
        The encoder's `fingerprint`.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        folder = folder / "sklearn_scan"
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / f"{encoder}.sqlite"

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        with (
            closing(sqlite3.connect(self._file, timeout=_LOCK_TIMEOUT)) as connection,
            connection,
        ):
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings "
                "(image TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
            )
            yield connection

    def read(self, images: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings of those `images`, content keys, that are known."""
        known: dict[str, NDArray[np.float32]] = {}
        with self._connect() as connection:
            for start in range(0, len(images), _ROWS_A_QUERY):
                keys = images[start : start + _ROWS_A_QUERY]
                marks = ",".join("?" * len(keys))
                rows = connection.execute(
                    f"SELECT image, vector FROM embeddings WHERE image IN ({marks})",
                    keys,
                )
                known |= {name: np.frombuffer(blob, "<f4") for name, blob in rows}
        return known

    def write(self, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """Store embeddings by content key."""
        with self._connect() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings VALUES (?, ?)",
                ((name, x.astype("<f4").tobytes()) for name, x in embeddings.items()),
            )
