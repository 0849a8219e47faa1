"""Constructors' parameters as options, and as TOML."""

import inspect

import pytest
from click.testing import CliRunner

from sklearn_scan import (
    ImageEncoder,
    JULEClusterer,
    SCANClusterer,
    SimCLR,
    TEMIClusterer,
)
from sklearn_scan.cli import main
from sklearn_scan.cli._options import (
    make_encoder,
    make_estimator,
    merge_settings,
    parameter_docs,
    read_value,
)
from sklearn_scan.pretext import RawPixels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 1e-3),
        ("true", True),
        ("auto", "auto"),
        ("[0.7, 0.3]", [0.7, 0.3]),
        ('{pad_type = "same"}', {"pad_type": "same"}),
        ("weights/a.safetensors", "weights/a.safetensors"),
        ("", ""),
        ("none", None),
    ],
)
def test_values_are_read_as_toml(text, value):
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)


def test_help_is_the_first_sentence_and_the_type():
    help_text = (
        "Workers that read images; None takes one per core.  [int, default=None]"
    )
    assert parameter_docs(SCANClusterer)["n_jobs"] == help_text


@pytest.mark.parametrize("kind", [SCANClusterer, TEMIClusterer, JULEClusterer])
def test_every_parameter_is_an_option_with_help(kind):
    output = CliRunner().invoke(main, ["fit", "--help"], terminal_width=200).output
    docs = parameter_docs(kind)
    for name in inspect.signature(kind).parameters:
        if name not in {"verbose", "strong_views"}:  # Ctrl-C and code have these
            assert f"--{name.replace('_', '-')}" in output
            assert docs[name]


@pytest.mark.parametrize("kind", [ImageEncoder, SimCLR, RawPixels])
def test_the_encoder_has_options_of_its_own(kind):
    shared = set(inspect.signature(SCANClusterer).parameters) | {"model"}
    output = CliRunner().invoke(main, ["fit", "--help"], terminal_width=200).output
    own = set(inspect.signature(kind).parameters) - shared
    assert own
    for name in own:
        assert f"--encoder-{name.replace('_', '-')}" in output


def test_options_overrule_the_file(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        'n_clusters = 4\nmax_epochs = 7\n[encoder]\npretext = "SimCLR"\nepochs = 3\n'
    )
    settings = merge_settings(config, {"n_clusters": 5, "encoder_batch_size": 8})
    clusterer = make_estimator(settings)
    assert clusterer.n_clusters == 5
    assert clusterer.max_epochs == 7
    assert isinstance(clusterer.encoder, SimCLR)
    assert (clusterer.encoder.epochs, clusterer.encoder.batch_size) == (3, 8)


def test_an_encoder_by_name_with_its_options():
    given = {"encoder": "mobilenetv2_100", "encoder_checkpoint": "a.safetensors"}
    encoder = make_estimator(merge_settings(None, given)).encoder
    assert isinstance(encoder, ImageEncoder)
    assert (encoder.model, encoder.checkpoint) == ("mobilenetv2_100", "a.safetensors")


def test_the_default_encoder_with_options():
    encoder = make_encoder({"input_size": 98})
    assert encoder.model == ImageEncoder().model
    assert encoder.input_size == 98


def test_several_encoders(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text('[[encoder]]\ninput_size = 98\n[[encoder]]\npretext = "SimCLR"\n')
    first, second = make_estimator(merge_settings(config, {})).encoder
    assert first.input_size == 98
    assert isinstance(second, SimCLR)
    with pytest.raises(ValueError, match="go with one encoder"):
        merge_settings(config, {"encoder_epochs": 3})


@pytest.mark.parametrize(
    ("method", "kind", "own"),
    [
        ("temi", TEMIClusterer, {"beta": 0.7}),
        ("jule", JULEClusterer, {"unrolling_rate": 0.7}),
    ],
)
def test_the_other_methods(method, kind, own):
    clusterer = make_estimator({"method": method} | own)
    assert type(clusterer) is kind
    assert own.items() <= clusterer.get_params().items()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta": 0.7}, "SCANClusterer has no parameter 'beta'"),
        ({"n_cluster": 7}, "Did you mean 'n_clusters'"),
        ({"method": "scann"}, "Did you mean 'scan'"),
        ({"encoder": {"pretext": "SimCLR", "epoch": 3}}, "Did you mean 'epochs'"),
        ({"encoder": {"pretext": "SimCRL"}}, "Did you mean 'SimCLR'"),
        ({"encoder": {"name": "resnet18"}}, "ImageEncoder has no parameter 'name'"),
    ],
)
def test_unknown_parameters(settings, message):
    with pytest.raises(ValueError, match=message):
        make_estimator(settings)


def test_an_encoder_that_is_no_name():
    with pytest.raises(TypeError, match="a name or a table"):
        make_encoder(3)


def test_a_file_that_is_not_toml(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("n_clusters: 3")
    with pytest.raises(ValueError, match="not TOML"):
        merge_settings(config, {})
