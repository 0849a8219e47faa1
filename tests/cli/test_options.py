"""Constructors' parameters as options, and as TOML."""

import pytest

from sklearn_scan import (
    ImageEncoder,
    JULEClusterer,
    SimCLR,
    TEMIClusterer,
)
from sklearn_scan.cli._settings import make_encoder, make_estimator, merge_settings
from sklearn_scan.cli._values import read_value


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
        ('{"pad_type": "same", "bias": null}', {"pad_type": "same", "bias": None}),
        ("[1, null, true]", [1, None, True]),
        ("null", None),
        ("'photos'", "photos"),
    ],
)
def test_values_are_read_as_toml_or_json(text, value):
    assert read_value(text) == value
    assert type(read_value(text)) is type(value)


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


def test_an_encoder_by_name_with_its_options(tmp_path):
    weights = tmp_path / "a.safetensors"
    weights.touch()
    given = {"encoder": "mobilenetv2_100", "encoder_checkpoint": str(weights)}
    encoder = make_estimator(merge_settings(None, given)).encoder
    assert isinstance(encoder, ImageEncoder)
    assert (encoder.model, encoder.checkpoint) == ("mobilenetv2_100", str(weights))


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
        ({"beta": 0.7}, "--beta is an option of temi: add --method temi"),
        (
            {"method": "temi", "finetune": True},
            "--finetune is an option of scan and jule: add --method scan or --method j",
        ),
        ({"encoder": {"epochs": 3}}, "--encoder-epochs is an option of SimCLR, "),
        (
            {"encoder": {"pretext": "SimCLR", "queue_size": 3}},
            "--encoder-queue-size is an option of MoCo: add --encoder MoCo",
        ),
        (
            {"encoder": {"pretext": "SimCLR", "checkpoint": "x"}},
            "--encoder-checkpoint is an option of pretrained networks: add --encoder N",
        ),
        ({"n_cluster": 7}, "Did you mean 'n_clusters'"),
        ({"method": "scann"}, "Did you mean 'scan'"),
        ({"encoder": {"pretext": "SimCLR", "epoch": 3}}, "Did you mean 'epochs'"),
        ({"encoder": {"pretext": "SimCRL"}}, "Did you mean 'SimCLR'"),
        ({"encoder": {"name": "resnet18"}}, "Did you mean 'model'"),
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("k = 6", "Did you mean 'n_clusters'"),
        ("seed = 6", "Did you mean 'random_state'"),
        ("n_cluster = 6", "Did you mean 'n_clusters'"),
        ("encoder_checkpoint = 'x'", r"'checkpoint' belongs in the table \[encoder\]"),
    ],
)
def test_unknown_settings_of_a_file(tmp_path, content, message):
    config = tmp_path / "run.toml"
    config.write_text(content)
    with pytest.raises(ValueError, match=message):
        merge_settings(config, {})
