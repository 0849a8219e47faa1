"""The encoder of a clusterer, from what a user passes as `encoder`, and its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from torch import nn

from sklearn_scan.encoders._base import Encoder
from sklearn_scan.encoders._encoder_list import EncoderList, naming
from sklearn_scan.encoders._image_encoder import DEFAULT_MODEL, ImageEncoder
from sklearn_scan.encoders.backbones import check_model
from sklearn_scan.images import MAX_PIXELS

# The default of each setting: an encoder that has another was given it by the user.
_DEFAULTS: dict[str, Any] = {
    "device": "auto",
    "precision": "auto",
    "memory": None,
    "bad_images": "raise",
    "max_pixels": MAX_PIXELS,
    "n_jobs": None,
    "random_state": None,
    "verbose": 0,
}


def resolve_encoder(encoder: Any, **settings: Any) -> Encoder:
    """Return a new, checked encoder for `encoder`.

    Parameters
    ----------
    encoder : "auto", str, nn.Module, callable or Encoder, or a list of such
        "auto" is the default pretrained model. An Encoder is cloned, and a module is
        copied. Each encoder of a list gets a `random_state` of its own.
    **settings
        device, precision, memory, bad_images, max_pixels, n_jobs, random_state,
        verbose. The encoder gets those that it has as parameters with their default
        values.

    Raises
    ------
    TypeError
        If `encoder` is something else, or a list within a list.
    ValueError
        If the name is not one of timm's (with the nearest known ones), or a list is
        empty.
    """
    if isinstance(encoder, EncoderList):
        return _resolve_each(encoder.encoders, settings)
    if isinstance(encoder, list | tuple):
        return _resolve_each(encoder, settings)
    if not isinstance(encoder, Encoder):
        is_auto = isinstance(encoder, str) and encoder == "auto"
        model = DEFAULT_MODEL if is_auto else encoder
        check_model(model, checkpoint=None)
        encoder = ImageEncoder(model)
    resolved: Encoder = clone(encoder)  # with a copy of the user's own network
    own = resolved.get_params(deep=False)
    unset = {k for k, v in _DEFAULTS.items() if k in own and own[k] == v}
    resolved.set_params(**{k: v for k, v in settings.items() if k in unset})
    resolved.check()
    return resolved


def _resolve_each(encoders: Sequence[Any], settings: dict[str, Any]) -> EncoderList:
    if len(encoders) == 0:
        raise ValueError("encoder is an empty list: it must hold at least one encoder.")
    # With one seed, two pretexts of a kind would learn one embedding twice.
    sequence = np.random.SeedSequence(settings["random_state"])
    seeds = sequence.generate_state(len(encoders)).tolist()
    resolved = []
    for i, (encoder, seed) in enumerate(zip(encoders, seeds, strict=True)):
        if isinstance(encoder, list | tuple | EncoderList):
            raise TypeError(
                f"encoder must be a list of encoders; encoder[{i}] is itself a "
                f"{type(encoder).__name__}: pass its encoders in one list."
            )
        with naming(i):
            own = settings | {"random_state": seed}
            resolved.append(resolve_encoder(encoder, **own))
    return EncoderList(resolved)


def limit_of(encoder: Encoder | None, max_pixels: int | None) -> int | None:
    """Return the limit of an encoder's images.

    Parameters
    ----------
    encoder : Encoder or None
        What embeds the images, if anything does.
    max_pixels : int or None
        The limit of a clusterer.

    Returns
    -------
    int or None
        The encoder's own limit, if it has such a parameter; else that of the clusterer.
        Of several encoders, the largest.
    """
    return max_pixels if encoder is None else encoder.pixel_limit(max_pixels)


def name_encoder(encoder: Encoder) -> str:
    """Return the name of an encoder for people: that of its network, or of its class.

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
