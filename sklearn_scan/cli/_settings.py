"""Settings of a file and of options, and the estimators made of them."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from sklearn_scan.cli._options import synonym
from sklearn_scan.cli._parameters import (
    PRETRAINED,
    Parameter,
    clusterer_parameters,
    encoder_kinds,
    encoder_parameters,
    list_words,
    methods,
)
from sklearn_scan.cli._values import NOT_GIVEN, none_as_none
from sklearn_scan.cli._wording import explain
from sklearn_scan.core.validation import check_count, check_option, did_you_mean
from sklearn_scan.encoders import Encoder, ImageEncoder
from sklearn_scan.results.clustering import Clustering

Settings = dict[str, Any]  # values of parameters, read from TOML

_Made = TypeVar("_Made")


class Clusterer(Clustering, Protocol):
    """A clusterer that the command makes and fits."""

    encoder: object
    memory: object
    checkpoint: object

    def make_auto_encoder(self) -> object:
        """Return what embeds images where `encoder` is "auto"."""

    def fit(self, X: Sequence[str]) -> Self:
        """Cluster images."""


def merge_settings(config: Path | None, options: Mapping[str, object]) -> Settings:
    """Return the settings of a TOML file, overruled by options."""
    settings = _read_file(config) if config is not None else {}
    given = {name: value for name, value in options.items() if value is not NOT_GIVEN}
    of_encoder = {n: given.pop(n) for n in list(given) if n.startswith("encoder_")}
    settings |= given
    if of_encoder:
        encoder = settings.get("encoder", "auto")
        settings["encoder"] = _overrule(encoder, of_encoder)
    return settings


def _read_file(config: Path) -> Settings:
    try:
        settings = tomllib.loads(config.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{str(config)!r} is not TOML: {error}.") from error
    known = {"method", *clusterer_parameters()}
    for name in settings:
        if name not in known:
            raise ValueError(
                f"{str(config)!r} has no setting for {name!r}."
                f"{_suggest(name, known)}{_in_the_table(name)}"
            )
    return {name: none_as_none(value) for name, value in settings.items()}


def _suggest(name: str, known: Collection[str]) -> str:
    """Return a sentence on the settings that may be meant by another name."""
    meant = synonym(name)
    if meant == "encoder" and "model" in known:
        meant = "model"
    return f" Did you mean {meant!r}?" if meant in known else did_you_mean(name, known)


def _in_the_table(name: str) -> str:
    """Return where in a TOML file a setting of the encoder belongs."""
    own = name.removeprefix("encoder_")
    is_of_encoder = own in encoder_parameters()
    return f" {own!r} belongs in the table [encoder]." if is_of_encoder else ""


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
    kind = methods()[_method(own.pop("method", None))]
    if "encoder" in own:
        own["encoder"] = make_encoder(own["encoder"])
    if own.get("random_state") is not None:
        check_count("random_state", own["random_state"], minimum=0)
    clusterer: Clusterer = _make(kind, own, clusterer_parameters())
    return clusterer


def make_auto_encoder(method: object) -> object:
    """Return what embeds photos for a method where no encoder is given."""
    clusterer: Clusterer = methods()[_method(method)]()
    return clusterer.make_auto_encoder()


def _method(name: object) -> str:
    return check_option("method", "scan" if name is None else name, methods())


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
    if name is None and not settings:
        return "auto"
    kinds = encoder_kinds()
    kind: type[Any] = ImageEncoder
    if name is not None:
        kind = kinds[check_option("pretext", name, kinds)]
    encoder: Encoder = _make(kind, settings, encoder_parameters())
    try:
        encoder.check()
    except (TypeError, ValueError) as error:
        raise ValueError(explain(error, of_encoder=True)) from error
    return encoder


def _table(name: str) -> Settings:
    """Return the table of an encoder's name."""
    if name == "auto":
        return {}
    kinds = {kind.lower(): kind for kind in encoder_kinds()}
    kind = kinds.get(name.lower())
    return {"model": name} if kind is None else {"pretext": kind}


def _make(
    kind: type[_Made], settings: Settings, parameters: Mapping[str, Parameter]
) -> _Made:
    """Return an object made with the settings, if it has such parameters."""
    known = set(inspect.signature(kind).parameters)
    for name in settings:
        if name in parameters and kind not in parameters[name].owners.values():
            raise ValueError(_of_another(parameters[name]))
    check_parameters(kind.__name__, settings, known)
    return kind(**settings)


def _of_another(parameter: Parameter) -> str:
    """Return the error of an option that other methods or encoders have."""
    owners = list(parameter.owners)
    is_of_encoder = set(owners) <= {PRETRAINED, *encoder_kinds()}
    if owners == [PRETRAINED]:
        return (
            f"{parameter.option} is an option of pretrained networks: add --encoder "
            "NAME, the name of one (see `sklearn-scan encoders`)."
        )
    choice = "--encoder" if is_of_encoder else "--method"
    ways = list_words([f"{choice} {owner}" for owner in owners], "or")
    return f"{parameter.option} is an option of {list_words(owners)}: add {ways}."


def check_parameters(owner: str, given: Iterable[str], known: Collection[str]) -> None:
    """Raise if a given parameter is not among the known ones."""
    for name in given:
        if name not in known:
            raise ValueError(
                f"{owner} has no parameter {name!r}.{_suggest(name, known)}"
            )
