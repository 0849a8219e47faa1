"""Options for the parameters of estimators, made of their signatures and docs."""

from __future__ import annotations

import inspect
import os
import re
import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import click

from sklearn_scan import pretext
from sklearn_scan.core.validation import check_option, did_you_mean
from sklearn_scan.encoders import ImageEncoder
from sklearn_scan.results.clustering import Clustering

Settings = dict[str, Any]  # values of parameters, read from TOML

_Made = TypeVar("_Made")

# Parameters that the command has other options for, or whose values are code.
_NAMED_OTHERWISE = {"n_clusters", "encoder", "strong_views"}
# Parameters that an encoder takes from the clusterer, or from `embed`.
SHARED = (
    "device", "precision", "memory", "bad_images", "n_jobs", "random_state", "verbose",
)  # fmt: skip
_GIVEN_BY_NAME = {*SHARED, "model"}


class Clusterer(Clustering, Protocol):
    """A clusterer that the command makes and fits."""

    encoder: object
    memory: object

    def make_auto_encoder(self) -> object:
        """Return what embeds images where `encoder` is "auto"."""

    def fit(self, X: Sequence[str]) -> Self:
        """Cluster images."""


def _methods() -> dict[str, type]:
    from sklearn_scan.clusterers import clusterer_classes

    return clusterer_classes


def encoder_kinds() -> dict[str, type]:
    """Return encoders by name; any other name is that of a timm model."""
    classes = {name: getattr(pretext, name) for name in pretext.__all__}
    return {
        name: each
        for name, each in classes.items()
        if inspect.isclass(each)
        and issubclass(each, pretext.NetworkEncoder)
        and not inspect.isabstract(each)
    }


def default_cache() -> str:
    """Return the folder of the embeddings of all runs of the user."""
    return os.environ.get("SKLEARN_SCAN_CACHE") or str(Path.home() / ".cache")


def default_settings(*, quiet: bool) -> Settings:
    """Return the command's own defaults, where they differ from those of Python."""
    return {
        "memory": default_cache(),
        "bad_images": "skip",
        "random_state": 0,
        "verbose": int(sys.stderr.isatty() and not quiet),
    }


class _NotGiven:
    """The value of an option that is not given; None is a value too."""


NOT_GIVEN = _NotGiven()


def read_value(text: str | _NotGiven) -> object:
    """Read a value as TOML writes it; what is not TOML is a text, and none is None."""
    if isinstance(text, _NotGiven):
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return _null(text if isinstance(value, date | time) else value)


def _null(value: object) -> object:
    """Return None for "none", since TOML has no word for it."""
    return None if isinstance(value, str) and value == "none" else value


# The arguments of an option whose value is read as TOML.
AS_TOML: dict[str, Any] = {
    "type": read_value, "default": NOT_GIVEN, "show_default": False,
}  # fmt: skip


class EstimatorCommand(click.Command):
    """A command with an option for each parameter of encoders, and of clusterers."""

    def __init__(self, *args: Any, clusterer: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._with_clusterer = clusterer

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options, made here since they need imports."""
        made: list[click.Parameter] = []
        encoders = [ImageEncoder, *encoder_kinds().values()]
        if self._with_clusterer:
            made += _options(_methods().values(), _NAMED_OTHERWISE)
        else:
            made += _options(encoders, set(_parameters(encoders)) - {*SHARED})
        made += _options(encoders, _GIVEN_BY_NAME, "encoder_")
        return [*super().get_params(ctx), *made]


def _options(
    classes: Collection[type], left_out: set[str], prefix: str = ""
) -> Iterator[click.Option]:
    """Yield an option for each parameter of one of the classes."""
    for name, text in _parameters(classes).items():
        if name not in left_out:
            flag = f"--{prefix}{name}".replace("_", "-")
            names = [flag, f"{prefix}{name}"]
            yield click.Option(names, **AS_TOML, metavar="VALUE", help=text)


def _parameters(classes: Collection[type]) -> dict[str, str]:
    """Return the parameters of classes, with the docs of the first that has each."""
    docs: dict[str, str] = {}
    for each in classes:
        known = parameter_docs(each)
        for name in inspect.signature(each).parameters:
            docs[name] = docs.get(name) or known.get(name, "")
    return docs


def parameter_docs(documented: Callable[..., object]) -> dict[str, str]:
    """Return the first sentence of a docstring on each parameter, and its type."""
    from numpydoc.docscrape import NumpyDocString  # here, since only help needs it

    docs: dict[str, str] = {}
    sections = NumpyDocString(inspect.getdoc(documented) or "")
    for names, kind, lines in sections["Parameters"]:
        sentence = re.split(r"(?<=\.)\s", " ".join(lines), maxsplit=1)[0]
        text = f"{sentence}  [{kind}]".replace("`", "")
        docs |= dict.fromkeys(names.split(", "), text)
    return docs


def merge_settings(config: Path | None, options: Mapping[str, object]) -> Settings:
    """Return the settings of a TOML file, overruled by options."""
    settings: Settings = {}
    if config is not None:
        try:
            settings = tomllib.loads(config.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{str(config)!r} is not TOML: {error}.") from error
    settings = {name: _null(value) for name, value in settings.items()}
    given = {name: value for name, value in options.items() if value is not NOT_GIVEN}
    of_encoder = {n: given.pop(n) for n in list(given) if n.startswith("encoder_")}
    settings |= given
    if of_encoder:
        encoder = settings.get("encoder", "auto")
        settings["encoder"] = _overrule(encoder, of_encoder)
    return settings


def _overrule(encoder: object, options: Settings) -> object:
    """Return the table of an encoder, with options added."""
    table = _table(encoder) if isinstance(encoder, str) else encoder
    if isinstance(table, dict):
        return table | {n.removeprefix("encoder_"): v for n, v in options.items()}
    raise ValueError(
        "Options of the encoder go with one encoder; of several, write a table for "
        "each, [[encoder]], in a TOML file."
    )


def make_estimator(settings: Settings) -> Clusterer:
    """Return the clusterer of some settings."""
    own = dict(settings)
    methods = _methods()
    method = check_option("method", own.pop("method", "scan"), methods)
    if "encoder" in own:
        own["encoder"] = make_encoder(own["encoder"])
    clusterer: Clusterer = _make(methods[method], own)
    return clusterer


def make_encoder(spec: object) -> object:
    """Return the encoder of a name or a table, or encoders of a list of these."""
    if isinstance(spec, list):
        return [make_encoder(each) for each in spec]
    if isinstance(spec, str):
        spec = _table(spec)
    if not isinstance(spec, dict):
        raise TypeError(f"An encoder is a name or a table; got {spec!r}.")
    settings = dict(spec)
    name = settings.pop("pretext", None)
    if name is None:
        return _make(ImageEncoder, settings) if settings else "auto"
    kinds = encoder_kinds()
    return _make(kinds[check_option("pretext", name, kinds)], settings)


def _table(name: str) -> Settings:
    """Return the table of an encoder's name."""
    if name == "auto":
        return {}
    return {"pretext" if name in encoder_kinds() else "model": name}


def _make(kind: type[_Made], settings: Settings) -> _Made:
    """Return an object made with the settings, if it has such parameters."""
    check_parameters(kind.__name__, settings, inspect.signature(kind).parameters)
    return kind(**settings)


def check_parameters(owner: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise if a given parameter is not among the known ones."""
    for name in given:
        if name not in known:
            near = did_you_mean(name, known)
            raise ValueError(f"{owner} has no parameter {name!r}.{near}")
