"""The model hub: weights that were fetched before need no connection."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
_PROBE_TIMEOUT = 10.0  # seconds


def cached_weights(repository: str) -> str | None:
    """Return the file of a model's weights in the hub's local cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    name, _, revision = repository.partition("@")
    for file in _WEIGHT_FILES:
        path = try_to_load_from_cache(name, file, revision=revision or None)
        if isinstance(path, str):
            return path
    return None


def probe_hub() -> None:
    """Raise an OSError unless the hub answers."""
    from huggingface_hub import constants

    # its client would retry for most of a minute
    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set, and the weights are not in the cache.")
    if getproxies():
        return  # the proxy answers for the hub
    hub = urlsplit(constants.ENDPOINT)
    port = hub.port or (80 if hub.scheme == "http" else 443)
    socket.create_connection((hub.hostname, port), timeout=_PROBE_TIMEOUT).close()
