"""Parameters as they are shown: short, and without what is nobody's business."""

from pathlib import Path

import numpy as np
import pytest
import torch
from report_helpers import make_clusterer, make_images
from torch import nn

from sklearn_scan import ImageEncoder, SCANClusterer
from sklearn_scan.pretext import SimCLR
from sklearn_scan.report import write_report
from sklearn_scan.report._settings import describe_settings, describe_value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("vit_small_patch14_dinov2.lvd142m", "vit_small_patch14_dinov2.lvd142m"),
        ("hf-hub:timm/resnet18", "hf-hub:timm/resnet18"),
        ("weights/a.safetensors", "weights/a.safetensors"),
        ("/home/ada/my weights/a.safetensors", "…/a.safetensors"),
        ("local-dir:/home/ada/model", "local-dir:…/model"),
        ("file:///home/ada/model", "…/model"),
        ("~ada/model", "…/model"),
        ("//server/share/model", "…/model"),
        ("https://hub.org/ada/model", "https://hub.org/ada/model"),
        (Path("/home/ada/cache"), "…/cache"),
        ("~/cache", "…/cache"),
        ("C:\\Users\\ada\\cache", "…/cache"),
        ("https://ada:pw@hub.org/m?sig=1", "https://•••@hub.org/m?•••"),
        ("hf_abcdefghijklmnopqrstuvwx", "•••"),
        ({"token": "x", "drop": 0.1}, "{token: •••, drop: 0.1}"),
        ({"hub_auth": None}, "{hub_auth: None}"),
        (np.ones((2, 3)), "array of shape (2, 3)"),
        (torch.ones(4), "array of shape (4,)"),
        ([0.2, 0.8], "[0.2, 0.8]"),
        (list(range(99)), "[0, 1, 2, 3, 4, 5, …]"),
        (nn.Linear(2, 2), "Linear"),
        (describe_value, "describe_value"),
        (np.random.RandomState(0), "RandomState"),
        (torch.device("cpu"), "cpu"),
        (None, "None"),
        (1e-3, "0.001"),
        (SimCLR(epochs=2), "SimCLR(epochs=2)"),
    ],
)
def test_values(value, shown):
    assert describe_value(value) == shown


def test_long_values_are_cut():
    assert len(describe_value("a" * 1000)) == 100


def test_changed_settings_come_first():
    clusterer = SCANClusterer(7, entropy_weight=2.0, random_state=0)
    settings = describe_settings(clusterer)
    changed = [setting.name for setting in settings if setting.is_changed]
    assert sorted(changed) == ["entropy_weight", "n_clusters", "random_state"]
    assert [s.is_changed for s in settings] == [True] * 3 + [False] * (
        len(settings) - 3
    )
    assert {s.name for s in settings} == set(clusterer.get_params(deep=False))


def test_none_of_it_is_in_the_report(tmp_path):
    clusterer = make_clusterer(8, 2)
    clusterer.memory = "/home/ada/cache-of-ada"
    clusterer.encoder = ImageEncoder(
        "resnet18",
        checkpoint="/home/ada/weights.safetensors",
        model_kwargs={"api_key": "open-sesame"},
    )
    clusterer.encoder_ = ImageEncoder("local-dir:/home/ada/model")
    write_report(tmp_path / "report.html", clusterer, make_images(8))
    text = (tmp_path / "report.html").read_text()
    assert "weights.safetensors" in text
    assert "SCAN on local-dir:…/model" in text
    assert "home/ada" not in text
    assert "open-sesame" not in text
