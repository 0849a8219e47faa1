"""Options made of constructors: their signatures say which, their docs what for."""

from __future__ import annotations

import inspect
import os
import re
import sys
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

import click

from sklearn_scan.core.validation import did_you_mean
from sklearn_scan.results.registry import clusterer_classes

__all__ = [
    "AS_TOML",
    "SHARED",
    "EstimatorCommand",
    "default_cache",
    "encoder_kinds",
    "make_encoder",
    "make_estimator",
    "merge_settings",
    "parameter_docs",
    "read_value",
    "usual_settings",
]

Settings = dict[str, Any]

# Parameters that the command has in another way, or that are code.
_NAMED_OTHERWISE = {"n_clusters", "encoder", "strong_views"}
# What an encoder takes over from the clusterer, or from `embed`.
SHARED = (
    "device", "precision", "memory", "bad_images", "n_jobs", "random_state", "verbose",
)  # fmt: skip
_SAID_BY_NAME = {*SHARED, "model"}


def encoder_kinds() -> dict[str, type]:
    """Return the encoders that a name stands for; any other name is a timm model's."""
    from sklearn_scan import pretext

    classes = {name: getattr(pretext, name) for name in pretext.__all__}
    return {
        name: each
        for name, each in classes.items()
        if issubclass(each, pretext.Pretext) and not inspect.isabstract(each)
    }


def _encoder_classes() -> list[type]:
    from sklearn_scan import ImageEncoder

    return [ImageEncoder, *encoder_kinds().values()]


def default_cache() -> str:
    """Return where embeddings are kept, for all runs of the user."""
    return os.environ.get("SKLEARN_SCAN_CACHE") or str(Path.home() / ".cache")


def usual_settings(*, quiet: bool) -> Settings:
    """Return what a command does where nothing is said, and Python would do else."""
    return {
        "memory": default_cache(),
        "bad_images": "skip",
        "random_state": 0,
        "verbose": int(sys.stderr.isatty() and not quiet),
    }


class _Unsaid:
    """The value of an option that is not given: None is a value, too."""


UNSAID = _Unsaid()


def read_value(text: str | _Unsaid) -> Any:
    """Read a value as TOML writes it; what is no TOML is a text, and none is None.

    Examples
    --------
    >>> read_value("[0.7, 0.3]"), read_value("auto"), read_value("none")
    ([0.7, 0.3], 'auto', None)
    """
    if isinstance(text, _Unsaid):
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return _null(text if isinstance(value, date | time) else value)


def _null(value: Any) -> Any:
    """Return None for its name: TOML has no word for it."""
    return None if isinstance(value, str) and value == "none" else value


# How an option is declared whose value is read so.
AS_TOML: dict[str, Any] = {
    "type": read_value, "default": UNSAID, "show_default": False,
}  # fmt: skip


class EstimatorCommand(click.Command):
    """A command with an option for each parameter of what it makes.

    Parameters
    ----------
    clusterer : bool, default=True
        Whether there are options of the clusterers, beside those of encoders.
    """

    def __init__(self, *args: Any, clusterer: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._with_clusterer = clusterer

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options; they are made here, since they take an import."""
        made: list[click.Parameter] = []
        encoders = _encoder_classes()
        if self._with_clusterer:
            made += _options(clusterer_classes().values(), _NAMED_OTHERWISE)
        else:
            made += _options(encoders, set(_parameters(encoders)) - {*SHARED})
        made += _options(encoders, _SAID_BY_NAME, "encoder_")
        return [*super().get_params(ctx), *made]


def _options(
    classes: Collection[type], left_out: set[str], prefix: str = ""
) -> Iterator[click.Option]:
    """Return an option for each parameter that one of the classes has."""
    for name, text in _parameters(classes).items():
        if name not in left_out:
            flag = f"--{prefix}{name}".replace("_", "-")
            names = [flag, f"{prefix}{name}"]
            yield click.Option(names, **AS_TOML, metavar="VALUE", help=text)


def _parameters(classes: Collection[type]) -> dict[str, str]:
    """Return the parameters of some classes, with what the first says of each."""
    docs: dict[str, str] = {}
    for each in classes:
        known = parameter_docs(each)
        for name in inspect.signature(each).parameters:
            docs[name] = docs.get(name) or known.get(name, "")
    return docs


def parameter_docs(documented: Callable[..., Any]) -> dict[str, str]:
    """Return the first sentence that a numpydoc docstring has on each parameter.

    Its type, with choices and default, follows.

    Examples
    --------
    >>> from sklearn_scan import SCANClusterer
    >>> parameter_docs(SCANClusterer)["n_jobs"]
    'Workers that read images; None takes one per core.  [int, default=None]'
    """
    text = inspect.getdoc(documented) or ""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?:\n\n\w+\n-+\n|\Z)", text, re.M | re.S
    )
    if section is None:
        return {}
    entries = re.split(r"^(\w[\w, ]*) : (.*)\n", section[1], flags=re.M)[1:]
    docs: dict[str, str] = {}
    triples = zip(entries[::3], entries[1::3], entries[2::3], strict=True)
    for names, kind, body in triples:
        sentence = re.split(r"(?<=\.)\s", " ".join(body.split()), maxsplit=1)[0]
        text = f"{sentence}  [{kind}]".replace("`", "")
        docs |= dict.fromkeys(names.split(", "), text)
    return docs


def merge_settings(config: Path | None, given: Mapping[str, Any]) -> Settings:
    """Return the settings of a TOML file, overruled by the options given.

    Raises
    ------
    ValueError
        If the file is not TOML.
    """
    settings: Settings = {}
    if config is not None:
        try:
            settings = tomllib.loads(config.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{str(config)!r} is not TOML: {error}.") from error
    settings = {name: _null(value) for name, value in settings.items()}
    said = {name: value for name, value in given.items() if value is not UNSAID}
    own = {n: v for n, v in said.items() if not n.startswith("encoder")}
    of_encoder = {
        name.removeprefix("encoder_"): value
        for name, value in said.items()
        if name.startswith("encoder_")
    }
    settings |= own
    if "encoder" in said or of_encoder:
        settings["encoder"] = _overrule(
            said.get("encoder", settings.get("encoder", "auto")), of_encoder
        )
    return settings


def _overrule(encoder: Any, options: Settings) -> Any:
    """Add options to what was said of an encoder."""
    if not options:
        return encoder
    if isinstance(encoder, str):
        return _table(encoder) | options
    if isinstance(encoder, dict):
        return encoder | options
    raise ValueError(
        "Options of the encoder go with one encoder; of several, write a table for "
        "each, [[encoder]], in a TOML file."
    )


def make_estimator(settings: Mapping[str, Any]) -> Any:
    """Return the clusterer that the settings describe.

    Raises
    ------
    ValueError
        If there is no such method, or no such parameter.
    """
    own = dict(settings)
    methods = clusterer_classes()
    method = str(own.pop("method", "scan"))
    if method not in methods:
        raise ValueError(
            f"method must be one of {list(methods)}; got {method!r}."
            f"{did_you_mean(method, methods)}"
        )
    if "encoder" in own:
        own["encoder"] = make_encoder(own["encoder"])
    return _make(methods[method], own, method.upper())


def make_encoder(spec: Any) -> Any:
    """Return what a name, a table or a list of these says to embed with.

    A table has the parameters of `ImageEncoder`, or with `pretext = "SimCLR"` (or
    another) those of that.

    Raises
    ------
    ValueError
        If an encoder has no such parameter.
    TypeError
        If `spec` is something else.
    """
    if isinstance(spec, list):
        return [make_encoder(each) for each in spec]
    if isinstance(spec, str):
        spec = _table(spec)
    if not isinstance(spec, dict):
        raise TypeError(f"An encoder is a name or a table; got {spec!r}.")
    settings = dict(spec)
    kinds = encoder_kinds()
    name = settings.pop("pretext", None)
    if name is None:
        from sklearn_scan import ImageEncoder

        return _make(ImageEncoder, settings, "ImageEncoder") if settings else "auto"
    if name not in kinds:
        raise ValueError(
            f"pretext must be one of {list(kinds)}; got {name!r}."
            f"{did_you_mean(name, kinds)}"
        )
    return _make(kinds[name], settings, name)


def _table(name: str) -> Settings:
    """Return the table that a name alone stands for."""
    if name == "auto":
        return {}
    return {"pretext" if name in encoder_kinds() else "model": name}


def _make(kind: type, settings: Settings, called: str) -> Any:
    known = inspect.signature(kind).parameters
    for name in settings:
        if name not in known:
            raise ValueError(
                f"{called} has no parameter {name!r}.{did_you_mean(name, known)}"
            )
    return kind(**settings)
