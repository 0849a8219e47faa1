"""From what a user passes as `encoder` to an encoder."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from sklearn_scan.encoders._backbones import check_model
from sklearn_scan.encoders._base import Encoder
from sklearn_scan.encoders._image_encoder import DEFAULT_MODEL, ImageEncoder

# What each setting is when the user of an encoder has said nothing of it.
_UNSAID: dict[str, Any] = {
    "device": "auto",
    "precision": "auto",
    "memory": None,
    "bad_images": "raise",
    "n_jobs": None,
    "random_state": None,
    "verbose": 0,
}


def resolve_encoder(encoder: Any, **settings: Any) -> Encoder:
    """Return a new, checked encoder for `encoder`.

    Parameters
    ----------
    encoder : "auto", str, nn.Module, callable or Encoder
        "auto" is the default pretrained model; an Encoder is cloned, a module copied.
    **settings
        device, precision, memory, bad_images, n_jobs, random_state, verbose: passed on
        where the encoder has such a parameter and leaves it at its default.

    Raises
    ------
    TypeError
        If `encoder` is none of these.
    ValueError
        If the name is not one of timm's (with the nearest known ones).
    """
    if not isinstance(encoder, Encoder):
        model = (
            DEFAULT_MODEL if isinstance(encoder, str) and encoder == "auto" else encoder
        )
        check_model(model, checkpoint=None)
        encoder = ImageEncoder(model)
    # A user's own network is copied too: the one made here may be trained.
    resolved = clone(encoder)
    own = resolved.get_params(deep=False)
    unsaid = {k for k, v in _UNSAID.items() if k in own and own[k] == v}
    resolved.set_params(**{k: v for k, v in settings.items() if k in unsaid})
    resolved.check()
    return resolved
