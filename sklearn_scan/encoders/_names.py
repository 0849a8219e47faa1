"""The short name of an encoder."""

from __future__ import annotations

from torch import nn

from sklearn_scan.encoders._base import Encoder
from sklearn_scan.encoders._encoder_list import EncoderList
from sklearn_scan.encoders._image_encoder import ImageEncoder

__all__ = ["name_encoder"]


def name_encoder(encoder: Encoder) -> str:
    """Return what people know an encoder by: the name of its network, or its class.

    Examples
    --------
    >>> encoders = [ImageEncoder("resnet18"), ImageEncoder(nn.Flatten())]
    >>> name_encoder(EncoderList(encoders))
    'resnet18 + Flatten'
    """
    if isinstance(encoder, EncoderList):
        return " + ".join(map(name_encoder, encoder.encoders))
    if not isinstance(encoder, ImageEncoder):
        return type(encoder).__name__
    if isinstance(encoder.model, str):
        return encoder.model
    if isinstance(encoder.model, nn.Module):
        return type(encoder.model).__name__
    return getattr(encoder.model, "__name__", type(encoder.model).__name__)
