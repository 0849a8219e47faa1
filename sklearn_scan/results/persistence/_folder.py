"""The folder of a saved model: what is in it, and checks when it is read."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from torch import Tensor

from sklearn_scan.core.files import FolderKind, durable_folder, find_replaced
from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.results.persistence._known import Entry

FORMAT, VERSION = "sklearn-scan-model", 2
_READABLE_FROM = "0.1.0"  # the first sklearn_scan that reads this version
_DOCUMENT = "model.json"
_TENSORS = {kind: f"{kind}.safetensors" for kind in ("heads", "backbones", "arrays")}
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with durable_folder(path, _KIND, overwrite=overwrite) as folder:
        digests = {}
        for kind, of_kind in tensors.items():
            file = folder / _TENSORS[kind]
            _write_tensors(file, of_kind)
            digests[file.name] = _digest(file)
        document: Entry = {
            "format": FORMAT,
            "version": VERSION,
            "readable_from": _READABLE_FROM,
            **content,
            "files": digests,
        }
        document["checksum"] = _checksum(document)
        text = json.dumps(document, indent=1) + "\n"
        (folder / _DOCUMENT).write_text(text, encoding="utf-8")


def _write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    file.touch()
    mode = stat.S_IMODE(file.stat().st_mode)
    try:
        safetensors.torch.save_file(_apart(tensors), file)
    except safetensors.SafetensorError as error:  # a full disk, for one
        raise OSError(f"{str(file)!r} cannot be written: {error}") from error
    file.chmod(mode)  # of ordinary files: safetensors lets no others read its own


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, none of which shares memory with another."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return result


def _digest(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _checksum(document: Entry) -> str:
    rest = {key: value for key, value in document.items() if key != "checksum"}
    text = json.dumps(rest, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_folder(path: Path) -> tuple[Entry, dict[str, dict[str, Tensor]]]:
    """Return the document and the tensors, which are views of the files; checked."""
    if not path.is_dir():
        replaced = find_replaced(path)
        hint = f" Saving was interrupted: {str(replaced)!r} is what was there."
        raise ModelFileError(f"there is no such folder.{hint if replaced else ''}")
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
        document = json.loads(
            file.read_text(encoding="utf-8"), parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
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
    if document.get("checksum") != _checksum(document):
        raise ModelFileError(
            f"{_DOCUMENT} is damaged, or was changed by hand: its checksum is wrong."
        )
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _read_tensors(file: Path, digest: str) -> dict[str, Tensor]:
    _check_file(file)
    if _digest(file) != digest:
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
