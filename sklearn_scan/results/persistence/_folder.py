"""The folder of a saved model: written aside and renamed, checked when it is read."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sklearn_scan.exceptions import ModelFileError

FORMAT, VERSION = "sklearn-scan-model", 1
_READABLE_FROM = "0.1.0"  # the first sklearn_scan that reads this version
_DOCUMENT = "model.json"
_TENSORS = ("heads", "backbones", "arrays")


def _file_of(kind: str) -> str:
    return f"{kind}.safetensors"


_FILES = frozenset({_DOCUMENT, *map(_file_of, _TENSORS)})


def write_folder(
    path: Path,
    content: dict[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
    *,
    overwrite: bool,
) -> None:
    """Write a folder that appears when it is complete.

    Raises
    ------
    FileExistsError
        If there is something at `path` that may not be replaced.
    """
    path = Path(os.path.realpath(path))
    _check_free(path, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    tag = secrets.token_hex(4)
    aside = path.with_name(f".{path.name}.saving-{tag}")
    before = path.with_name(f"{_before_name(path)}{tag}")
    aside.mkdir()
    try:
        _write_files(aside, content, tensors)
        _check_free(path, overwrite=overwrite)  # it took a while
        _put_in_place(aside, path, before)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _sync(path.parent)


def _before_name(path: Path) -> str:
    """Return how the name of a model begins while it is replaced."""
    return f".{path.name}.before-"


def _find_before(path: Path) -> str:
    """Say where the model is, if the machine stopped between two renames."""
    if not path.parent.is_dir():
        return ""
    start = _before_name(path)
    found = [each for each in path.parent.iterdir() if each.name.startswith(start)]
    if not found:
        return ""
    return f" Saving was interrupted: {str(found[0])!r} is what was there."


def _check_free(path: Path, *, overwrite: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise FileExistsError(f"{str(path)!r} is a file, and no folder for a model.")
    names = sorted(entry.name for entry in path.iterdir())
    if not names:
        return
    if not _is_model(path):
        raise FileExistsError(
            f"{str(path)!r} holds other things than a saved model ({names[0]!r}): pass "
            "a folder that is not there yet."
        )
    if not overwrite:
        raise FileExistsError(
            f"{str(path)!r} holds a saved model already: pass overwrite=True to "
            "replace it."
        )


def _is_model(path: Path) -> bool:
    """Tell a folder of ours, even a damaged one, from others."""
    try:
        start = (path / _DOCUMENT).read_bytes()[:200]
    except OSError:
        return False
    return FORMAT.encode() in start


def _write_files(
    folder: Path,
    content: dict[str, Any],
    tensors: Mapping[str, Mapping[str, Tensor]],
) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    digests = {}
    for kind, of_kind in tensors.items():
        file = folder / _file_of(kind)
        try:
            save_file(_apart(of_kind), file)
        except SafetensorError as error:  # a full disk, for one
            raise OSError(f"{str(file)!r} cannot be written: {error}") from error
        _sync(file)
        digests[file.name] = _digest(file)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "readable_from": _READABLE_FROM,
        **content,
        "files": digests,
    }
    document["checksum"] = _checksum(document)
    file = folder / _DOCUMENT
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    _sync(file)
    for name in digests:  # as readable for others as what Python writes
        (folder / name).chmod(stat.S_IMODE(file.stat().st_mode))
    _sync(folder)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors, none of which shares memory with another."""
    seen: set[int] = set()
    result = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        result[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return result


def _put_in_place(new: Path, path: Path, before: Path) -> None:
    """Rename the new folder; what was there stays until that is done."""
    if not path.exists():
        new.rename(path)
        return
    path.rename(before)
    try:
        new.rename(path)
    except BaseException:
        before.rename(path)
        raise
    for other in before.iterdir():  # what others put there is theirs
        if other.name not in _FILES:
            other.rename(path / other.name)
    shutil.rmtree(before)


def _sync(path: Path) -> None:
    """Have the system write a file, or a folder's entries, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # which opens no folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _checksum(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != "checksum"}
    text = json.dumps(rest, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_folder(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """Return what a folder holds, once all of it is checked.

    Tensors are views of the files, which are read when they are looked at.

    Raises
    ------
    ModelFileError
        If it is no saved model, damaged, or of a newer version.
    """
    if not path.is_dir():
        raise ModelFileError(f"there is no such folder.{_find_before(path)}")
    document = _read_document(path / _DOCUMENT)
    files = document["files"]
    if not isinstance(files, dict) or not set(files) <= _FILES - {_DOCUMENT}:
        raise ModelFileError(f"{_DOCUMENT} names files that are no part of a model.")
    tensors = {}
    for kind in _TENSORS:
        name = _file_of(kind)
        tensors[kind] = _read_tensors(path / name, files[name]) if name in files else {}
    return document, tensors


def _read_document(file: Path) -> dict[str, Any]:
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
            f"{document.get('readable_from')} and later read; this one reads up to "
            f"version {VERSION}. Upgrade sklearn_scan."
        )
    if document.get("checksum") != _checksum(document):
        raise ModelFileError(
            f"{_DOCUMENT} is damaged, or was changed by hand: its checksum is wrong."
        )
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _read_tensors(file: Path, digest: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    _check_file(file)
    if _digest(file) != digest:
        raise ModelFileError(f"{file.name} is damaged: its checksum is wrong.")
    try:
        with safe_open(file, framework="pt") as content:
            return {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelFileError(f"{file.name} is damaged: {error}.") from error


def _check_file(file: Path) -> None:
    try:
        mode = file.lstat().st_mode
    except OSError as error:
        raise ModelFileError(f"{file.name} is missing ({error.strerror}).") from error
    if not stat.S_ISREG(mode):
        raise ModelFileError(f"{file.name} is a link or no file: copy it there.")
