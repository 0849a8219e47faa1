"""Options for the parameters of estimators, in groups, with help from their docs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from sklearn_scan.cli._parameters import (
    LEARN,
    PRETRAINED,
    SHARED,
    Parameter,
    clusterer_parameters,
    default_settings,
    encoder_kinds,
    encoder_parameters,
    list_words,
    methods,
)
from sklearn_scan.cli._values import AS_VALUE, write_value

_OFTEN = "Often used"
_OFTEN_USED = {
    "--encoder-checkpoint", "--encoder-max-minutes", "--random-state", "--memory",
    "--verbose",
}  # fmt: skip
# Parameters that the command has other options for.
_NAMED_OTHERWISE = {"n_clusters", "encoder", "model"}
# Names that people try: they work too.
_ALIASES = {
    "--clusters": "--n-clusters",
    "--seed": "--random-state",
    "--weights": "--encoder-checkpoint",
    "--checkpoint": "--encoder-checkpoint",
    "--model": "--encoder",
    "--max-minutes": "--encoder-max-minutes",
    "-v": "--verbose",
}
# Names that do not say which of several options is meant, or resemble none.
_SYNONYMS = {
    "k": "--n-clusters",
    "epochs": "--max-epochs",
    "lr": "--learning-rate",
    "gpu": "--device",
    "cuda": "--device",
    "threads": "--n-jobs",
    "workers": "--n-jobs",
    "cache": "--memory",
    "force": "--overwrite",
    "out": "--output",
    "name": "--encoder",
}
_COLUMN = 26  # of option names, in all groups
_LEVEL = re.compile(r"-?\d+|true|false")


class EstimatorCommand(click.Command):
    """A command with an option for each parameter of encoders, and of clusterers."""

    def __init__(self, *args: Any, clusterer: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._with_clusterer = clusterer

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options, made here since they need imports."""
        *declared, help_option = super().get_params(ctx)
        return [*declared, *_options(with_clusterer=self._with_clusterer), help_option]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options, by their names and others that people try."""
        try:
            return super().parse_args(ctx, list(_without_aliases(args)))
        except click.NoSuchOption as error:
            known = {name for each in self.get_params(ctx) for name in each.opts}
            near = similar_options(error.option_name, known)
            meant = f" Did you mean {list_words(near, 'or')}?" if near else ""
            raise click.UsageError(
                f"No such option: {error.option_name}.{meant}", ctx
            ) from error

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the options in their groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None and isinstance(option, click.Option):
                group = option.group if isinstance(option, _SettingOption) else _OFTEN
                groups.setdefault(group, []).append(record)
        for heading, rows in groups.items():
            with formatter.section(heading):
                (names, text), *others = rows
                aligned = [(names.ljust(_COLUMN), text), *others]
                formatter.write_dl(aligned, col_max=_COLUMN)


class _SettingOption(click.Option):
    """The option of a parameter, whose help is made when it is asked for."""

    def __init__(self, parameter: Parameter, destination: str, group: str) -> None:
        super().__init__([parameter.option, destination], **AS_VALUE)
        self.group = group
        self._parameter = parameter

    def get_help_record(self, _ctx: click.Context) -> tuple[str, str]:
        """Return the option's name, and its help."""
        text, kind = self._parameter.describe()
        plain = _plain_kind(kind)
        facts = [plain, f"default: {_describe_default(self._parameter)}"]
        also = [a for a, name in _ALIASES.items() if name == self._parameter.option]
        facts += [f"also {list_words(also)}"] if also else []
        facts += [_describe_owners(self._parameter)]
        return f"{self._parameter.option} {_metavar(plain)}", (
            f"{text}  [{'; '.join(filter(None, facts))}]"
        )


def _options(*, with_clusterer: bool) -> Iterator[click.Option]:
    """Yield an option for each parameter, group by group."""
    of_encoders, of_clusterers = encoder_parameters(), clusterer_parameters()
    chosen = [
        (of_clusterers[name], name, _group(of_clusterers[name]))
        for name in (of_clusterers if with_clusterer else SHARED)
        if name not in _NAMED_OTHERWISE
    ]
    chosen += [
        (parameter, f"encoder_{name}", _group(parameter))
        for name, parameter in of_encoders.items()
        if name not in {*SHARED, *_NAMED_OTHERWISE}
    ]
    for each in sorted(chosen, key=lambda item: _rank(item[2])):
        yield _SettingOption(*each)


_COMPUTING = "Computing"
_TRAINING = "Training"
_ENCODER = "Encoder, a pretrained network"
_N_NAMED = 3  # of the encoders that learn, in a heading, which is one line


def _rank(group: str) -> int:
    """Return the place of a group in the help."""
    of_methods = [_only("--method", name) for name in methods()]
    of_encoders = [_only("--encoder", name) for name in encoder_kinds()]
    order = [_OFTEN, _COMPUTING, _TRAINING, *of_methods, _ENCODER, _learning()]
    return [*order, *of_encoders].index(group)


def _learning() -> str:
    named = [*_learners()[:_N_NAMED], "others"]
    return f"Encoders that learn: {list_words(named)}"


def _learners() -> list[str]:
    kinds = encoder_kinds().items()
    return [n for n, kind in kinds if kind.learns_from_images and n != LEARN]


def _only(choice: str, name: str) -> str:
    return f"Only for {choice} {name}"


def _group(parameter: Parameter) -> str:
    """Return the heading that the option of a parameter stands under."""
    owners = list(parameter.owners)
    is_of_encoder = parameter.option.startswith("--encoder")
    if parameter.option in _OFTEN_USED:
        return _OFTEN
    if parameter.name in SHARED:
        return _COMPUTING
    if PRETRAINED in owners:
        return _ENCODER
    if len(owners) > 1:
        return _learning() if is_of_encoder else _TRAINING
    return _only("--encoder" if is_of_encoder else "--method", owners[0])


def _describe_owners(parameter: Parameter) -> str:
    """Return which methods or encoders have a parameter; "" where its group says so."""
    owners, learners = set(parameter.owners), set(_learners())
    if owners - {LEARN} == set(encoder_kinds()) - {LEARN}:
        return f"{list_words(owners - learners)} too"
    if len(owners) == 1 or owners >= learners or owners == set(methods()):
        return ""
    return f"only {list_words(parameter.owners)}"


def _describe_default(parameter: Parameter) -> str:
    """Return the default that the command has, of each owner where they differ."""
    own = default_settings(quiet=True)
    if parameter.name == "verbose":
        return "1 in a terminal, else 0"
    if parameter.name in own:
        home, text = str(Path.home()), write_value(own[parameter.name])
        return f"~{text.removeprefix(home)}" if text.startswith(home) else text
    by_value: dict[str, list[str]] = {}
    for owner, default in parameter.defaults.items():
        by_value.setdefault(write_value(default), []).append(owner)
    if len(by_value) == 1:
        return next(iter(by_value))
    return ", ".join(
        f"{value} ({_name_owners(owners)})" for value, owners in by_value.items()
    )


def _name_owners(owners: Iterable[str]) -> str:
    return ", ".join("pretrained" if o == PRETRAINED else o for o in owners)


_KINDS = {
    "int": "integer", "float": "number", "floats": "numbers",
    "dict": "table", "str": "text", "None": "none", "array-like": "list",
}  # fmt: skip
_CODE_KINDS = {"RandomState", "torch.device", "joblib.Memory", "callable"}


def _plain_kind(kind: str) -> str:
    """Return the type of a parameter in plain words, without what only code has."""
    kind = re.sub(r",? default=.*", "", kind).replace('"', "")
    if kind.startswith("{"):
        return kind.strip("{}").replace(", ", " | ")
    kind = re.sub(r" of shape \([^)]*\)", "", kind).replace("bool", "true or false")
    outside = r",\s*(?![^(\[{]*[)\]}])|\s+or\s+"  # commas that are in no bracket
    alternatives = [each for each in re.split(outside, kind) if each]
    plain = [
        re.sub(r"^[\w-]+|floats", lambda word: _KINDS.get(word[0], word[0]), each)
        for each in alternatives
        if each not in _CODE_KINDS
    ]
    return list_words(plain, "or") if plain else ""


def _metavar(kind: str) -> str:
    for start, metavar in {"integer": "N", "number": "X", "path": "PATH"}.items():
        if kind.startswith(start):
            return metavar
    return "VALUE"


def _without_aliases(args: Sequence[str]) -> Iterator[str]:
    """Yield the arguments with the options' own names; --verbose may lack a value."""
    is_option = True
    for i, arg in enumerate(args):
        is_option &= arg != "--"
        name, equals, value = arg.partition("=")
        name = _ALIASES.get(name, name) if is_option else name
        following = args[i + 1] if i + 1 < len(args) else ""
        if is_option and name == "--verbose" and not equals:
            lacks = arg == "-v" or not _LEVEL.fullmatch(following)
            yield "--verbose=1" if lacks else name
        else:
            yield f"{name}{equals}{value}"


def similar_options(name: str, known: Collection[str]) -> list[str]:
    """Return the options that may be meant by a name that is none."""
    word = name.lstrip("-")
    if _SYNONYMS.get(word) in known:
        return [_SYNONYMS[word]]
    names = {each.lstrip("-"): each for each in sorted(known, key=len)}
    containing = [each for each in names if len(word) > 1 and word in each]
    aliases = {each.lstrip("-"): each for each, own in _ALIASES.items() if own in known}
    names |= aliases
    near = containing[:3] or get_close_matches(word, names, n=2, cutoff=0.6)
    return [names[each] for each in near]


def synonym(name: str) -> str | None:
    """Return the parameter that people mean by another name."""
    option = _SYNONYMS.get(name) or _ALIASES.get(f"--{name}".replace("_", "-"))
    return option and option.removeprefix("--").replace("-", "_")
