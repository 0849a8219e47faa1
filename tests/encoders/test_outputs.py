"""What timm models return by name: the embedding that their authors mean."""

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.torch import save_file

from sklearn_scan import ImageEncoder, load, save
from sklearn_scan.encoders.backbones import output_settings

SHALLOW = {"depth": 1}
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
# Of the images' size, so that nothing is resized.
SETTINGS = {
    "input_size": 32, "crop_pct": 1, "mean": 0.5, "std": 0.5, "device": "cpu",
    "precision": "fp32",
}  # fmt: skip
PIXELS = (torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5

BY_CLASS_TOKEN = [
    "vit_small_patch16_dinov3.lvd1689m",
    "vit_tiny_patch16_dinov3_qkvb.eupe_lvd1689m",
]
PROJECTED = {
    "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m": 512,
    "vit_base_patch32_clip_224.openai": 512,
    "eva02_base_patch16_clip_224.merged2b": 512,
    "vit_pe_core_tiny_patch16_384.fb": 512,
}


@pytest.fixture
def shallow(tmp_path):
    """Make a network of one layer as timm does, and the encoder of its weights."""

    def make(name, **model_kwargs):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = timm.create_model(name, img_size=32, **SHALLOW).eval()
        save_file(network.state_dict(), tmp_path / "weights.safetensors")
        encoder = ImageEncoder(
            name,
            checkpoint=tmp_path / "weights.safetensors",
            model_kwargs=SHALLOW | model_kwargs,
            **SETTINGS,
        )
        return network, encoder

    return make


@torch.no_grad()
def tokens_of(network):
    return network.forward_features(PIXELS)


# -- models by name ------------------------------------------------------------------


@pytest.mark.parametrize("name", BY_CLASS_TOKEN)
def test_the_class_token(name, shallow):
    network, encoder = shallow(name)
    embedding = encoder.transform(IMAGES)
    tokens = tokens_of(network)
    assert_allclose(embedding, tokens[:, 0], atol=1e-5)
    _, averaging = shallow(name, global_pool="avg")
    average = tokens[:, network.num_prefix_tokens :].mean(dim=1)
    assert_allclose(averaging.transform(IMAGES), average, atol=1e-5)


@pytest.mark.parametrize("name", PROJECTED)
def test_the_projection(name, shallow):
    network, encoder = shallow(name)
    embedding = encoder.transform(IMAGES)
    assert embedding.shape == (3, PROJECTED[name])
    with torch.no_grad():
        assert_allclose(embedding, network(PIXELS), atol=1e-5)
        pooled = network.forward_head(tokens_of(network), pre_logits=True)
    _, unprojected = shallow(name, num_classes=0)
    assert_allclose(unprojected.transform(IMAGES), pooled, atol=1e-5)


@pytest.mark.parametrize("name", [BY_CLASS_TOKEN[-1], "vit_xsmall_patch16_clip_224"])
def test_a_saved_encoder_makes_the_same_network(name, shallow, tmp_path):
    _, encoder = shallow(name)
    embedding = encoder.fit().transform(IMAGES)
    save(encoder, tmp_path / "saved")
    (tmp_path / "weights.safetensors").unlink()
    assert_array_equal(load(tmp_path / "saved").transform(IMAGES), embedding)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        (BY_CLASS_TOKEN[-1], {"global_pool": "avg"}),
        ("vit_xsmall_patch16_clip_224", {"num_classes": 0}),
    ],
)
def test_the_cache_tells_outputs_apart(name, other, shallow, tmp_path):
    shallow(name)[1].set_params(memory=tmp_path / "cache").transform(IMAGES)
    _, encoder = shallow(name, **other)
    expected = encoder.transform(IMAGES)
    encoder.set_params(memory=tmp_path / "cache")
    assert_array_equal(encoder.transform(IMAGES), expected)


# -- the rule, for all that timm has -------------------------------------------------


def test_heads_that_are_projections():
    for name in timm.list_pretrained():
        with_texts = "clip" in name or "pe_core" in name
        of_classes = "_ft_in" in name
        width = timm.get_pretrained_cfg(name).num_classes
        expected = width if with_texts and not of_classes else 0
        assert output_settings(name)["num_classes"] == expected, name


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("vitamin_small_224", 768),  # the tag, datacomp1b_clip_ltt, says of texts
        ("convnext_xxlarge", 0),  # clip_laion2b_soup_ft_in1k
        ("vit_base_patch16_siglip_224.webli", 0),  # by attention, without a projection
        ("resnet50_clip_gap.openai", 0),
        ("vit_base_patch16_224.bamboo", 0),  # 115,217 classes
        ("test_vit_relpos", 0),  # without weights
    ],
)
def test_the_width_of_a_projection(name, width):
    assert output_settings(name)["num_classes"] == width


def test_poolings_that_are_not_timms():
    chosen = {n for n in timm.list_models() if "global_pool" in output_settings(n)}
    assert chosen == set(timm.list_models("vit_*_dinov3*"))
    for name in chosen:
        assert output_settings(name)["global_pool"] == "token"
