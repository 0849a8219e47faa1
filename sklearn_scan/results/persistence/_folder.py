"""The folder of a saved model: what is in it, and checks when it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import safetensors
from torch import Tensor

from sklearn_scan.core import disk
from sklearn_scan.core.documents import (
    file_digest,
    is_sound,
    read_document,
    write_document,
)
from sklearn_scan.core.files import FolderKind, durable_folder, read_folder_whole
from sklearn_scan.core.plain_data import write_tensors
from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.results.persistence._known import Entry

FORMAT, VERSION = "sklearn-scan-model", 2
_READABLE_FROM = "0.1.0"  # the first sklearn_scan that reads this version
_DOCUMENT = "model.json"
_TENSORS = {kind: f"{kind}.safetensors" for kind in ("heads", "backbones", "arrays")}
_LARGEST = 2**32  # bytes of the document: names of some ten million images
_FILES = frozenset(_TENSORS.values())
_KIND = FolderKind("a saved model", _DOCUMENT, FORMAT, _FILES | {_DOCUMENT})


def write_folder(
    path: Path,
    content: Entry,
    tensors: Mapping[str, Mapping[str, Tensor]],
    *,
    overwrite: bool,
) -> None:
    """Write a model durably, as a folder."""
    path = Path(os.path.realpath(path))
    disk.make_folders(path.parent)
    with durable_folder(path, _KIND, overwrite=overwrite) as folder:
        digests = {}
        for kind, of_kind in tensors.items():
            file = folder / _TENSORS[kind]
            _write_tensors(file, of_kind)
            digests[file.name] = file_digest(file)
        document: Entry = {
            "format": FORMAT,
            "version": VERSION,
            "readable_from": _READABLE_FROM,
            **content,
            "files": digests,
        }
        write_document(folder / _DOCUMENT, document)


def _write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    disk.create(file)
    mode = stat.S_IMODE(file.stat().st_mode)
    write_tensors(file, tensors)
    # that of ordinary files: safetensors lets no others read its own
    disk.set_mode(file, mode)


def read_folder(path: Path) -> tuple[Entry, dict[str, dict[str, Tensor]]]:
    """Return the document and the tensors, which are views of the files; checked."""
    return read_folder_whole(path, _read)


def _read(path: Path) -> tuple[Entry, dict[str, dict[str, Tensor]]]:
    if not path.is_dir():
        raise ModelFileError("there is no such folder.")
    document = _read_document(path / _DOCUMENT)
    files = document["files"]
    if not isinstance(files, dict) or not set(files) <= _FILES:
        raise ModelFileError(f"{_DOCUMENT} names files that are no part of a model.")
    return document, {
        kind: _read_tensors(path / name, files[name]) if name in files else {}
        for kind, name in _TENSORS.items()
    }


def _read_document(file: Path) -> Entry:
    _check_file(file)
    try:
        document = read_document(file, largest=_LARGEST)
    except ValueError as error:
        raise ModelFileError(f"{_DOCUMENT} is damaged: {error}.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ModelFileError(f"{_DOCUMENT} is not that of a saved model.")
    version = document.get("version")
    if not isinstance(version, int) or version < 1:
        raise ModelFileError(f"{_DOCUMENT} has no valid version: {version!r}.")
    if version > VERSION:
        raise ModelFileError(
            f"its format is version {version}, which sklearn_scan "
            f"{document.get('readable_from')} and later read; this one reads "
            f"version {VERSION}. Upgrade sklearn_scan."
        )
    if version < VERSION:
        raise ModelFileError(
            f"its format is version {version}, and this sklearn_scan reads version "
            f"{VERSION}: fit the estimator again and save it."
        )
    if not is_sound(document):
        raise ModelFileError(
            f"{_DOCUMENT} is damaged, or was changed by hand: its checksum is wrong."
        )
    return document


def _read_tensors(file: Path, digest: str) -> dict[str, Tensor]:
    _check_file(file)
    if file_digest(file) != digest:
        raise ModelFileError(f"{file.name} is damaged: its checksum is wrong.")
    try:
        with safetensors.safe_open(file, framework="pt") as content:
            return {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ModelFileError(f"{file.name} is damaged: {error}.") from error


def _check_file(file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except OSError as error:
        raise ModelFileError(f"{file.name} is missing ({error.strerror}).") from error
    if not stat.S_ISREG(mode):
        raise ModelFileError(f"{file.name} is a link or no file: copy it there.")
