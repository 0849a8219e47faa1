"""Wrong calls: told in the command's words, with the option that was meant."""

import re

import pytest
from cli_helpers import QUICK

from sklearn_scan import load

# What only Python has: calls, keyword arguments, and its constants.
PYTHON = re.compile(r"\w\(\w*\)|\b[a-z_]+=\S|\b(None|True|False)\b|timm\.|ImageEncoder")


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("--seed", "random_state", 7),
        ("--clusters", "n_clusters", 2),
        ("-v", "verbose", 1),
        ("--verbose", "verbose", 1),
    ],
)
def test_other_names_of_options(option, name, value, photos, tmp_path, call):
    given = [option] if name == "verbose" else [option, value]
    call("fit", *given, photos, "-o", tmp_path / "out", *QUICK, "--n-clusters=2")
    assert getattr(load(tmp_path / "out" / "model"), name) == value


@pytest.mark.parametrize("option", ["--weights", "--checkpoint"])
def test_other_names_of_the_weights(option, photos, weights, tmp_path, call):
    encoder = ["--model", "test_resnet", option, weights, "--encoder-input-size", 32]
    call("embed", photos, "-o", tmp_path / "e", *encoder)
    equals = ["--model=test_resnet", f"{option}={weights}", "--encoder-input-size=32"]
    call("embed", photos, "-o", tmp_path / "f", *equals)
    assert (tmp_path / "e.npy").read_bytes() == (tmp_path / "f.npy").read_bytes()


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--epochs", "--max-epochs"),
        ("--lr", "--learning-rate"),
        ("--jobs", "--n-jobs"),
        ("--input-size", "--encoder-input-size"),
        ("--seeds", "--seed"),
        ("--weigths", "--weights"),
        ("--n-cluster", "--n-clusters"),
        ("--gpu", "--device"),
        ("--out", "--output"),
    ],
)
def test_the_option_that_was_meant(option, meant, photos, call):
    output = call("fit", photos, "-o", "x", option, 3, expect=2).output
    assert f"Did you mean {meant}" in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--finetune", "maybe"], "--finetune must be 'auto', true or false"),
        (["--bad-images", "ignore"], "--bad-images must be one of"),
        (["--method", "kmeans"], "--method must be one of"),
        (["--n-jobs", 0], "--n-jobs must not be 0: none or -1"),
        (["--memory", 3], "--memory must be a path or none"),
        (["--random-state", "x"], "--random-state must be an integer"),
        (["--device", "cuda:99"], "Use --device auto or --device cpu"),
        (["-k", 99, "--encoder", "RawPixels"], "--n-clusters 99 must not exceed"),
        (["--cluster-prior", "x"], "--cluster-prior must be 'auto', none or"),
        (["--cluster-prior", "[0.5, 0.4]", "-k", 2], "--cluster-prior must sum to"),
        (["--n-neighbors", 0], "--finetune true, or --n-neighbors 20"),
        (["--encoder", "RawPixels", "--finetune", "true"], "pass --finetune false"),
        (["--encoder-crop-pct", 2], "--encoder-crop-pct must be above 0"),
        (["--encoder-batch-size", "big"], "--encoder-batch-size must be 'auto'"),
        (["--encoder-std", 0], "--encoder-std must be above zero"),
        (["--encoder-model-kwargs", "x"], """such as '{"pad_type": "same"}'"""),
        (["--encoder", "resnet19"], "`sklearn-scan encoders '*vit*'`"),
        (["--encoder", __file__], "pass --encoder NAME --encoder-checkpoint FILE"),
        (["--encoder-checkpoint", "gone.pt"], "--encoder-checkpoint gone.pt is not"),
        (["--weights", __file__, "--encoder", "test_resnet"], "could not be read"),
        (["--encoder", "SimCLR", "--encoder-epochs", 0], "--encoder-epochs must be"),
        (["--encoder", "SimCRL"], "Unknown --encoder SimCRL"),
    ],
)
def test_errors_are_in_the_words_of_the_command(
    options, message, photos, tmp_path, call
):
    output = call("fit", photos, "-o", tmp_path / "out", *options, expect=1).output
    assert message in output
    assert not PYTHON.search(output.replace("n_samples=", ""))


def test_weights_of_another_model(photos, weights, tmp_path, call):
    fit = ["fit", photos, "-o", tmp_path / "out", "--encoder-checkpoint", weights]
    output = call(*fit, expect=1).output
    assert "does not fit this model, 'vit_small_patch14_dinov2" in output
    assert "Pass the model that the weights are of as --encoder." in output
    assert (
        "this model, 'test_vit'" in call(*fit, "--encoder", "test_vit", expect=1).output
    )


def test_warnings_are_in_the_words_of_the_command(photos, tmp_path, call):
    few = sorted(photos.rglob("photo*.png"))[:6]
    out = tmp_path / "out"
    result = call("fit", *few, "-k", 2, "-o", out, *QUICK)
    assert "Warning: You have only 6 photos, so each has all" in result.stderr
    assert "warning: You have only 6 photos" in (out / "log.txt").read_text()
    again = ["-k", 2, "-o", out, "--overwrite", "--n-neighbors", 9, *QUICK]
    lowered = "Warning: --n-neighbors 9 was lowered to 5: there are only 6 photos."
    assert lowered in call("fit", *few, *again).stderr


def test_settings_of_the_encoder_as_json(photos, weights, tmp_path, call):
    encoder = ["--encoder", "test_resnet", "--encoder-checkpoint", weights]
    kwargs = ["--encoder-model-kwargs", '{"global_pool": "max"}']
    size = ["--encoder-input-size", 96]
    call("embed", photos, "-o", tmp_path / "e", *encoder, *size, *kwargs)
    kwargs[1] = '{global_pool = "max"}'
    call("embed", photos, "-o", tmp_path / "f", *encoder, *size, *kwargs)
    call("embed", photos, "-o", tmp_path / "g", *encoder, *size)
    e, f, g = ((tmp_path / f"{name}.npy").read_bytes() for name in "efg")
    assert e == f != g


@pytest.mark.parametrize(
    ("wrong", "meant"), [("fti", " Did you mean 'fit'?"), ("qqqq", "")]
)
def test_a_command_that_is_misspelt(wrong, meant, call):
    shown = call(wrong, "photos", expect=2).output
    assert shown.endswith(f"Error: No such command: {wrong}.{meant}\n")


def test_more_clusters_than_photos(photos, tmp_path, call):
    fit = ["fit", photos, "-k", 50, "-o", tmp_path / "out", "--encoder", "rawpixels"]
    shown = call(*fit, expect=1).output
    assert shown == (
        "Error: --n-clusters 50 must not exceed the number of photos, 40.\n"
    )


def test_a_damaged_archive(tmp_path, call):
    archive = tmp_path / "photos.zip"
    archive.write_bytes(b"no archive")
    shown = call("embed", archive, "-o", tmp_path / "e", expect=1).output
    assert shown.startswith("Error: PHOTOS must be an archive that can be read; got")
