"""The help of `fit`: every option, in its group, with the command's own defaults."""

import inspect
import re

import pytest
from click.testing import CliRunner

from sklearn_scan import ImageEncoder, JULEClusterer, SCANClusterer, TEMIClusterer
from sklearn_scan.cli import main
from sklearn_scan.pretext import (
    BYOL,
    InstanceDiscrimination,
    MoCo,
    RawPixels,
    RotNet,
    SimCLR,
    SimSiam,
    VICReg,
)

METHODS = {"scan": SCANClusterer, "temi": TEMIClusterer, "jule": JULEClusterer}
PRETEXTS = {
    kind.__name__: kind
    for kind in (
        *(SimCLR, MoCo, BYOL, SimSiam, VICReg, InstanceDiscrimination, RotNet),
        RawPixels,
    )
}
CODE = {"strong_views", "views"}  # whose values no command line has
KEPT = {"checkpoint"}  # which is in the folder of results


@pytest.fixture(scope="module")
def groups():
    """The text of each option of `fit`, by the heading it stands under."""
    return read_groups("fit")


def read_groups(command):
    shown = CliRunner().invoke(main, [command, "--help"], terminal_width=80).stdout
    groups, options = {}, {}
    for line in shown.splitlines():
        if re.match(r"\S.*:$", line):
            options = groups.setdefault(line.rstrip(":"), {})
        elif match := re.match(r"  (?:-\w, )?(--[\w-]+)(.*)", line):
            name = match[1]
            options[name] = match[2]
        elif options and line.strip():
            options[name] += f" {line.strip()}"
    return groups


def find(groups, option):
    (found,) = [
        (heading, options[option])
        for heading, options in groups.items()
        if option in options
    ]
    return found


def flag(name, prefix=""):
    return f"--{prefix}{name}".replace("_", "-")


def parameters(kind):
    return set(inspect.signature(kind).parameters) - CODE


@pytest.mark.parametrize("kind", METHODS.values())
def test_every_parameter_of_a_method_is_an_option(kind, groups):
    for name in parameters(kind) - KEPT:
        _, text = find(groups, flag(name))
        assert len(text.split()) > 3


@pytest.mark.parametrize("kind", [ImageEncoder, *PRETEXTS.values()])
def test_every_parameter_of_an_encoder_is_an_option(kind, groups):
    own = parameters(kind) - (parameters(SCANClusterer) - KEPT) - {"model"}
    own -= set() if kind is ImageEncoder else KEPT
    assert own
    for name in own:
        _, text = find(groups, flag(name, "encoder_"))
        assert len(text.split()) > 3


@pytest.mark.parametrize("method", METHODS)
def test_options_of_one_method_stand_apart(method, groups):
    others = set().union(*(parameters(k) for m, k in METHODS.items() if m != method))
    only = {flag(name) for name in parameters(METHODS[method]) - others}
    assert set(groups[f"Only for --method {method}"]) == only


def test_an_option_of_two_methods_says_so(groups):
    heading, text = find(groups, "--n-heads")
    assert heading == "Training"
    assert "only scan and temi" in text
    assert "default: auto (scan), 8 (temi)" in text


def test_options_of_encoders_that_learn(groups):
    heading, _ = find(groups, "--encoder-epochs")
    assert heading.startswith("Encoders that learn: SimCLR, ")
    assert find(groups, "--encoder-queue-size")[0] == "Only for --encoder MoCo"
    assert find(groups, "--encoder-crop-pct")[0].startswith("Encoder, a pretrained")


@pytest.mark.parametrize(
    ("option", "default"),
    [
        ("--memory", "default: /kept"),
        ("--bad-images", "default: skip"),
        ("--random-state", "default: 0"),
        ("--verbose", "default: 1 in a terminal, else 0"),
        ("--n-neighbors", "default: 20"),
        ("--self-label-epochs", "default: auto (scan), 0 (temi, jule)"),
        ("--finetune", "true, false or auto; default: auto"),
        ("--cluster-prior", "list, auto or none; default: none"),
        ("--device", "text; default: auto"),
    ],
)
def test_defaults_are_those_of_the_command(option, default, monkeypatch):
    monkeypatch.setenv("SKLEARN_SCAN_CACHE", "/kept")
    assert default in find(read_groups("fit"), option)[1]


def test_the_cache_of_the_home_is_written_short(monkeypatch):
    monkeypatch.delenv("SKLEARN_SCAN_CACHE")
    default = re.search(r"default: (\S+)\]", find(read_groups("fit"), "--memory")[1])
    assert re.fullmatch(r"~[/\\]\.cache", default[1])


def test_the_words_are_not_those_of_python(groups):
    text = " ".join(t for options in groups.values() for t in options.values())
    for word in ("None", "False", "RandomState", "joblib", "torch.device"):
        assert not re.search(rf"\b{re.escape(word)}\b", text)


def test_the_help_fits_in_80_columns():
    shown = CliRunner().invoke(main, ["fit", "--help"], terminal_width=80).stdout
    assert max(map(len, shown.splitlines())) <= 80


def test_embed_has_no_options_of_methods():
    options = {name for group in read_groups("embed").values() for name in group}
    assert "--memory" in options
    assert "--encoder-checkpoint" in options
    assert not options & {"--beta", "--n-heads", "--max-epochs"}
