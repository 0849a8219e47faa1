"""The parameters of clusterers and encoders, read from their signatures and docs."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sklearn_scan import pretext
from sklearn_scan.encoders import ImageEncoder
from sklearn_scan.pretext import EncoderMaker, LearnedEncoder

# Parameters that an encoder takes from the clusterer, or from `embed`.
SHARED = (
    "random_state", "memory", "verbose", "bad_images", "max_pixels", "device",
    "precision", "n_jobs",
)  # fmt: skip
LEARN = "learn"  # the kind that chooses one of those that learn
PRETRAINED = "ImageEncoder"  # the kind of encoder that any other name is one of
# Parameters whose values are code.
_CODE = {"strong_views", "views"}
# The folder of a checkpoint is in the folder of results. (The `checkpoint` of an
# ImageEncoder is a file of weights.)
_CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Parameter:
    """A parameter that one or several classes have."""

    name: str
    option: str  # its name on the command line
    # by the name of a method or of a kind of encoder, the class, and its default
    owners: dict[str, type] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)

    def describe(self) -> tuple[str, str]:
        """Return what the docs of the first owner say of it, and its type."""
        for owner in self.owners.values():
            if self.name in (docs := parameter_docs(owner)):
                return docs[self.name]
        return "", ""


def methods() -> dict[str, type]:
    """Return the clusterers by the name of their method; registered ones come last."""
    from sklearn_scan.clusterers import clusterer_classes

    own = {name: clusterer_classes[name] for name in ("scan", "temi", "jule")}
    return own | clusterer_classes


@cache
def encoder_kinds() -> dict[str, type[EncoderMaker]]:
    """Return encoders by name; any other name is that of a timm model."""
    classes = {name: getattr(pretext, name) for name in pretext.__all__}
    kinds = {
        LEARN if each is LearnedEncoder else name: each
        for name, each in classes.items()
        if inspect.isclass(each)
        and issubclass(each, EncoderMaker)
        and not inspect.isabstract(each)
    }
    # SimCLR first: it is the one to name to those who name none
    return dict(sorted(kinds.items(), key=lambda item: item[0] != "SimCLR"))


def clusterer_parameters() -> dict[str, Parameter]:
    """Return the parameters of all clusterers."""
    return _parameters(methods(), lambda name: _flag(name))


@cache
def encoder_parameters() -> dict[str, Parameter]:
    """Return the parameters of all encoders."""
    return _parameters({PRETRAINED: ImageEncoder, **encoder_kinds()}, _encoder_flag)


def _parameters(
    classes: Mapping[str, type], flag: Callable[[str], str]
) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for owner, each in classes.items():
        for name, parameter in inspect.signature(each).parameters.items():
            if name in _CODE or (name == _CHECKPOINT and owner != PRETRAINED):
                continue
            entry = found.setdefault(name, Parameter(name, flag(name)))
            entry.owners[owner] = each
            entry.defaults[owner] = parameter.default
    return found


def _flag(name: str) -> str:
    return f"--{name}".replace("_", "-")


def _encoder_flag(name: str) -> str:
    if name == "model":
        return "--encoder"
    return _flag(name if name in SHARED else f"encoder_{name}")


@cache
def parameter_docs(documented: type) -> dict[str, tuple[str, str]]:
    """Return what a docstring says on each parameter, in short, and its type."""
    from numpydoc.docscrape import NumpyDocString  # here, since only help needs it

    docs: dict[str, tuple[str, str]] = {}
    sections = NumpyDocString(inspect.getdoc(documented) or "")
    for names, kind, lines in sections["Parameters"]:
        text = " ".join(lines).replace("`", "")
        docs |= dict.fromkeys(names.split(", "), (_shorten(text), kind))
    return docs


def _shorten(text: str) -> str:
    """Return the first sentence, and what is said of None, as the command has it."""
    first, *others = re.split(r"(?<=\.)\s", text)
    kept = [first, *(each for each in others if each.startswith("None "))]
    words = {"None": "none", "True": "true", "False": "false"}
    return re.sub(r"\b(None|True|False)\b", lambda m: words[m[0]], " ".join(kept))


def default_cache() -> str:
    """Return the folder of the embeddings of all runs of the user."""
    return os.environ.get("SKLEARN_SCAN_CACHE") or str(Path.home() / ".cache")


def default_settings(*, quiet: bool) -> dict[str, Any]:
    """Return the command's own defaults, where they differ from those of Python."""
    return {
        "memory": default_cache(),
        "bad_images": "skip",
        "random_state": 0,
        "verbose": int(shows_progress(quiet=quiet)),
    }


def shows_progress(*, quiet: bool) -> bool:
    """Return whether progress is shown: to people at a terminal."""
    return sys.stderr.isatty() and not quiet


def list_words(words: Iterable[str], last: str = "and") -> str:
    """Return words as "a, b and c"."""
    *others, final = words
    return f"{', '.join(others)} {last} {final}" if others else final
