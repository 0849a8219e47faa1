"""encoder="learn": clusterers on an encoder that learns from the images."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_scan import (
    GraphDegreeLinkage,
    JULEClusterer,
    SCANClusterer,
    TEMIClusterer,
    load,
    save,
)
from sklearn_scan.datasets import load_digits_images
from sklearn_scan.encoders import EncoderList
from sklearn_scan.pretext import LearnedEncoder, RawPixels, _learned_encoder

IMAGES = load_digits_images().images[:40]
QUICK = {"n_neighbors": 5, "random_state": 0, "device": "cpu", "precision": "fp32"}


@pytest.fixture(autouse=True)
def few_epochs(step_clock, monkeypatch):
    """Let there be two epochs."""
    monkeypatch.setattr(_learned_encoder, "_CPU_EPOCHS", (2, 2))


def make(kind, **settings):
    if kind is not GraphDegreeLinkage:
        settings |= {"max_epochs": 1, "self_label_epochs": 0}
    return kind(3, **{"encoder": "learn"} | QUICK | settings)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "kind", [SCANClusterer, TEMIClusterer, JULEClusterer, GraphDegreeLinkage]
)
def test_every_clusterer_learns_an_encoder(kind, tmp_path, capsys):
    clusterer = make(kind).fit(IMAGES)
    assert isinstance(clusterer.encoder_, LearnedEncoder)
    assert clusterer.encoder_.pretext_.n_epochs_ == 2
    line = "Learning an encoder from 40 grey images of 8 pixels"
    assert capsys.readouterr().err.count(line) == 1
    assert clusterer.get_params()["encoder"] == "learn"
    if kind is GraphDegreeLinkage:  # which neither predicts nor is saved
        return
    save(clusterer, tmp_path / "model")
    restored = load(tmp_path / "model")
    assert restored.encoder == "learn"
    assert isinstance(restored.encoder_, LearnedEncoder)
    assert_array_equal(restored.predict(IMAGES), clusterer.predict(IMAGES))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_encoder_trains_on_with_the_heads_as_a_pretext_does():
    # without neighbours, by which a short training may be undone
    trained = make(SCANClusterer, n_neighbors=0).fit(IMAGES)
    frozen = make(SCANClusterer, finetune=False).fit(IMAGES)
    embeddings = [each.encoder_.transform(IMAGES) for each in (trained, frozen)]
    assert (embeddings[0] != embeddings[1]).any()
    assert_array_equal(trained.encoder_.pretext_.transform(IMAGES), embeddings[0])


def test_one_of_several_encoders():
    several = make(TEMIClusterer, encoder=["learn", RawPixels()]).fit(IMAGES)
    assert isinstance(several.encoder_, EncoderList)
    assert isinstance(several.encoder_.encoders[0], LearnedEncoder)


def test_the_settings_are_those_of_the_clusterer(tmp_path):
    memory, checkpoint = tmp_path / "memory", tmp_path / "checkpoint"
    clusterer = make(TEMIClusterer, memory=memory, checkpoint=checkpoint).fit(IMAGES)
    assert clusterer.encoder_.memory == memory
    assert clusterer.encoder_.pretext_.device == "cpu"
    assert any(checkpoint.glob("**/encoder/checkpoint.json"))
    assert clusterer.encoder_.pretext_.checkpoint is None  # that is of this fit


def test_a_budget_too_short():
    encoder = LearnedEncoder(max_minutes=0.01)
    with pytest.raises(ValueError, match=r"max_minutes=0\.01 is too short"):
        make(SCANClusterer, encoder=encoder).fit(IMAGES)


def test_features_have_nothing_to_learn_from():
    message = "not images for the encoder 'learn'. Leave encoder out to cluster feat"
    with pytest.raises(ValueError, match=message):
        make(SCANClusterer).fit(np.zeros((40, 3)))
