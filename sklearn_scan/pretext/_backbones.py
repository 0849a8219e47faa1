"""The networks that pretexts train from nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sklearn_scan.core.device import is_out_of_memory
from sklearn_scan.core.wording import Message, Setting
from sklearn_scan.encoders import (
    Recipe,
    build_backbone,
    check_features,
    check_model,
    note_recipe,
)
from sklearn_scan.pretext._networks import SmallConvNet, UnpaddedConvNet

STEMS = ("auto", "small", "standard")
# The networks that are made here; any other name is timm's.
_OWN_NETWORKS = {"auto": SmallConvNet, "jule": UnpaddedConvNet}

Backbone = str | Callable[[], nn.Module]

# Up to this side a network made for photos of 224 pixels would see next to nothing:
# its first layers reduce an image to a quarter of its side.
_SMALL_IMAGE = 64
# Up to this one the SCAN paper's networks drop the max-pooling too (CIFAR, 32 pixels;
# STL, 96 pixels, keeps it).
_TINY_IMAGE = 32
_PATCHES_A_SIDE = 8


@dataclass(frozen=True)
class PretextRecipe(Recipe):
    """A network for a pretext, by name: the arguments of `make_backbone`."""

    backbone: str
    image_size: int
    stem: str = "auto"

    def build(self) -> nn.Module:
        """Return a new network.

        Raises
        ------
        TypeError, ValueError
            If timm has no model of this name.
        """
        check_backbone(self.backbone)
        return make_backbone(self.backbone, self.image_size, self.stem)


def check_backbone(backbone: Any) -> None:
    """Raise if `backbone` is neither our own name nor a timm one nor a factory."""
    if isinstance(backbone, nn.Module) or not (
        isinstance(backbone, str) or callable(backbone)
    ):
        raise TypeError(
            "backbone must be 'auto', 'jule', the name of a timm model or a function "
            "that makes an nn.Module, such as backbone=lambda: Network(); got "
            f"{type(backbone).__name__}."
        )
    if not callable(backbone) and backbone not in _OWN_NETWORKS:
        check_model(backbone, checkpoint=None, parameter="backbone")


def make_backbone(backbone: Backbone, image_size: int, stem: str) -> nn.Module:
    """Return an untrained network for square images."""
    if not isinstance(backbone, str):
        return build_backbone(backbone)
    module = _make_named(backbone, image_size, stem)
    note_recipe(module, PretextRecipe(backbone, image_size, stem))
    return module


def _make_named(backbone: str, image_size: int, stem: str) -> nn.Module:
    if backbone in _OWN_NETWORKS:
        return _OWN_NETWORKS[backbone](image_size)
    is_small = stem == "small" or (stem == "auto" and image_size <= _SMALL_IMAGE)
    return _make_timm(backbone, image_size, is_small)


def _make_timm(name: str, image_size: int, small_stem: bool) -> nn.Module:
    import timm

    config = timm.get_pretrained_cfg(name)
    is_transformer = config is not None and config.fixed_input_size
    settings: dict[str, Any] = {"num_classes": 0}
    if is_transformer:
        settings["img_size"] = image_size
        if small_stem:
            settings["patch_size"] = max(1, image_size // _PATCHES_A_SIDE)
    try:
        module: nn.Module = timm.create_model(name, pretrained=False, **settings)
    except (
        ArithmeticError,
        AssertionError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(
            Message(
                "timm cannot make {} for images of {} pixels ({}): choose another {}, "
                "{}, or a convolutional network such as 'resnet18'.",
                *(Setting("backbone", name), image_size, error),
                *(Setting("image_size"), Setting("stem", "standard")),
            )
        ) from error
    if small_stem and not is_transformer:
        _shrink_stem(module, image_size)
    return module


def _shrink_stem(module: nn.Module, image_size: int) -> None:
    """Let the first convolution keep the resolution; for tiny images drop the pooling.

    As the SCAN paper does to ResNet-18, for any network that begins with a strided
    convolution.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            if max(layer.stride) > 1:
                parent, _, child = name.rpartition(".")
                setattr(module.get_submodule(parent), child, _unstrided(layer))
            break
    if image_size <= _TINY_IMAGE and isinstance(
        getattr(module, "maxpool", None), nn.MaxPool2d
    ):
        module.maxpool = nn.Identity()


def _unstrided(layer: nn.Conv2d) -> nn.Conv2d:
    convolution = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        kernel_size=3,
        padding=1,
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    # as timm's convolutions begin, but for those of few networks
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


@torch.no_grad()
def probe(backbone: nn.Module, views: Tensor) -> int:
    """Return the size of the features of a few views."""
    try:
        features = backbone.eval()(views)
    except (RuntimeError, AssertionError) as error:
        if is_out_of_memory(error):
            raise
        size = views.shape[-1]
        raise ValueError(
            Message(
                "The backbone cannot take images of {0} x {0} pixels ({1}): pass a "
                "larger {2}, or for a timm model {3}.",
                *(size, error, Setting("image_size"), Setting("stem", "small")),
            )
        ) from error
    return int(check_features(features, len(views)).shape[1])


def check_takes_smaller(backbone: nn.Module, views: Tensor, embed_dim: int) -> None:
    """Raise if smaller views do not give features of the same size."""
    try:
        if probe(backbone, views) == embed_dim:
            return
        reason: BaseException | str = "its features have another size"
    except ValueError as error:
        reason = error.__cause__ or error  # without its own advice
    raise ValueError(
        Message(
            "The backbone cannot take the smaller views of the first epochs, of {0} x "
            "{0} pixels ({1}): pass {2}.",
            *(views.shape[-1], reason, Setting("progressive_resizing", False)),
        )
    )
