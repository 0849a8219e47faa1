"""The catalogue of encoders says what is so of the models it names."""

import pytest
import timm
import torch

from sklearn_scan.encoders import RECOMMENDED, TimmRecipe
from sklearn_scan.encoders.backbones import output_settings


@pytest.mark.parametrize("encoder", RECOMMENDED, ids=lambda each: each.name)
def test_what_the_catalogue_says(encoder):
    settings = output_settings(encoder.name)
    with torch.device("meta"):  # without weights
        network = TimmRecipe(encoder.name, settings).build()
    assert encoder.n_features == (network.num_classes or network.num_features)
    is_token = getattr(network, "global_pool", "avg") == "token"
    assert encoder.pooling.startswith("class token" if is_token else "average")
    assert encoder.pooling.endswith("projected") == (network.num_classes > 0)
    known = timm.get_pretrained_cfg(encoder.name).license
    assert encoder.licence.lower() == known


def test_the_catalogue_is_free_to_use():
    assert {each.licence for each in RECOMMENDED} <= {"Apache-2.0", "MIT"}
    assert sum(each.is_default for each in RECOMMENDED) == 1
