"""A file that is written: there whole, or as it was before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["written_aside"]


@contextmanager
def written_aside(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Provide a file that takes the name `path` when the block has ended well.

    It is opened at once, so that what cannot be written is known before any long work,
    and removed where the block fails.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, OSError
        Naming `path`, if there is no such folder, if it is itself a folder, or if
        nothing may be written there.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"path must be a file; got the folder {str(target)!r}.")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path must be a file in a folder that exists; got {str(target)!r}."
        )
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        file = open(unfinished, "wb")  # noqa: SIM115 - closed below, before it is named
    except OSError as error:
        raise type(error)(
            f"path cannot be written: {str(target)!r} ({error.strerror})."
        ) from error
    try:
        with file:
            yield file
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
