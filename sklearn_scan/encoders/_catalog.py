"""Pretrained encoders worth trying first."""

from __future__ import annotations

from typing import NamedTuple

from sklearn_scan.encoders._image_encoder import DEFAULT_MODEL


class RecommendedEncoder(NamedTuple):
    """A timm model, and what is known of it.

    Attributes
    ----------
    name : str
        Its name in timm.
    n_features : int
        The width of its embedding.
    published : str
        Its accuracy on ImageNet, by the DINO or DINOv2 paper or timm's results.
    input_size : int
        The side of the images in pixels that is worth its time.
    """

    name: str
    n_features: int
    published: str
    input_size: int = 224

    @property
    def is_default(self) -> bool:
        """Whether it is what encoder="auto" means."""
        return self.name == DEFAULT_MODEL


# From fast to good.
RECOMMENDED = (
    RecommendedEncoder("mobilenetv2_100.ra_in1k", 1280, "73.0 % top-1, with labels"),
    RecommendedEncoder("vit_small_patch16_224.dino", 384, "74.5 % k-NN"),
    RecommendedEncoder("vit_small_patch14_dinov2.lvd142m", 384, "79.0 % k-NN"),
    RecommendedEncoder("vit_base_patch14_dinov2.lvd142m", 768, "82.1 % k-NN"),
    RecommendedEncoder("vit_large_patch14_dinov2.lvd142m", 1024, "83.5 % k-NN"),
)
