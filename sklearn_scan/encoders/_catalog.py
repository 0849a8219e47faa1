"""Pretrained encoders worth trying first."""

from __future__ import annotations

from typing import NamedTuple

from sklearn_scan.encoders._image_encoder import DEFAULT_MODEL


class RecommendedEncoder(NamedTuple):
    """A timm model, with its licence and published results.

    Attributes
    ----------
    name : str
        The name in timm.
    n_features : int
        The number of features of its embedding.
    pooling : str
        How it makes one vector of an image, and whether it projects this into the space
        that it shares with texts.
    licence : str
        The licence of its weights.
    published : str
        Its accuracy on ImageNet, from the DINO or DINOv2 paper or timm's results; and
        the NMI of k-means on its embeddings, the mean of CIFAR-10, CIFAR-100,
        ImageNet-10, Dogs-15 and Tiny-ImageNet in a public benchmark.
    input_size : int
        The recommended side of the images, in pixels.
    """

    name: str
    n_features: int
    pooling: str
    licence: str
    published: str
    input_size: int = 224

    @property
    def is_default(self) -> bool:
        """Whether it is what encoder="auto" means."""
        return self.name == DEFAULT_MODEL


# From fast to good.
RECOMMENDED = (
    RecommendedEncoder(
        "mobilenetv2_100.ra_in1k",
        n_features=1280,
        pooling="average",
        licence="Apache-2.0",
        published="73.0 % top-1, with labels",
    ),
    RecommendedEncoder(
        "vit_small_patch16_224.dino",
        n_features=384,
        pooling="class token",
        licence="Apache-2.0",
        published="74.5 % k-NN",
    ),
    RecommendedEncoder(
        "vit_small_patch14_dinov2.lvd142m",
        n_features=384,
        pooling="class token",
        licence="Apache-2.0",
        published="79.0 % k-NN, 80.2 % NMI",
    ),
    RecommendedEncoder(
        "vit_base_patch14_dinov2.lvd142m",
        n_features=768,
        pooling="class token",
        licence="Apache-2.0",
        published="82.1 % k-NN, 82.7 % NMI",
    ),
    RecommendedEncoder(
        "eva02_base_patch16_clip_224.merged2b",
        n_features=512,
        pooling="class token, projected",
        licence="MIT",
        published="82.5 % NMI",
    ),
    RecommendedEncoder(
        "vit_large_patch14_dinov2.lvd142m",
        n_features=1024,
        pooling="class token",
        licence="Apache-2.0",
        published="83.5 % k-NN, 83.1 % NMI",
    ),
    RecommendedEncoder(
        "eva02_large_patch14_clip_224.merged2b",
        n_features=768,
        pooling="class token, projected",
        licence="MIT",
        published="88.3 % NMI",
    ),
)
