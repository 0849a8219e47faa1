"""Where the weights of an encoder come from, and under what licence they are."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from sklearn_scan.encoders.backbones import Model


class WeightsOrigin(NamedTuple):
    """Where the weights of an encoder come from; saved models keep it.

    Attributes
    ----------
    model : str
        The name in timm, with the tag of the weights; of a network of your own, its
        class.
    source : str or None
        The name in the model hub, an address, or the name of the checkpoint's file.
        None for a network of your own.
    licence : str or None
        That of the weights, as timm states it; None where it is not known.
    trained_further : bool, default=False
        Whether a fit has changed the weights since.
    """

    model: str
    source: str | None
    licence: str | None
    trained_further: bool = False

    @classmethod
    def of(cls, model: Model, checkpoint: str | Path | None) -> WeightsOrigin:
        """Return the origin of the weights of an `ImageEncoder`."""
        file = None if checkpoint is None else Path(checkpoint).name
        if not isinstance(model, str):
            name = getattr(model, "__name__", type(model).__name__)
            return cls(name, file, None)
        import timm

        config = timm.get_pretrained_cfg(model)
        if file is not None or config is None:
            return cls(model, file, None)
        name = f"{config.architecture}.{config.tag}" if config.tag else model
        address = config.url if isinstance(config.url, str) else None
        hub = f"hf-hub:{config.hf_hub_id}" if config.hf_hub_id else address
        return cls(name, hub or None, config.license)
