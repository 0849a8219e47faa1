"""The model hub: what was fetched before is not asked for again."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies

_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
_PROBE_TIMEOUT = 10.0  # seconds


def hub_overlay(repository: str) -> dict[str, str] | None:
    """Return what to change in timm's configuration of a model on the hub.

    Where the weights are in the hub's local cache, that file: no network is needed.
    Else nothing, once the hub has answered: its client would retry for most of a
    minute before it gave up.

    Parameters
    ----------
    repository : str
        The model's identity on the hub, with or without "@revision".

    Raises
    ------
    OSError
        If the hub does not answer.
    """
    from huggingface_hub import try_to_load_from_cache

    name, _, revision = repository.partition("@")
    for file in _WEIGHT_FILES:
        path = try_to_load_from_cache(name, file, revision=revision or None)
        if isinstance(path, str):
            return {"file": path}
    _probe()
    return None


def _probe() -> None:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set, and the weights are not in the cache.")
    if getproxies():
        return  # the proxy answers for the hub
    hub = urlsplit(constants.ENDPOINT)
    port = hub.port or (80 if hub.scheme == "http" else 443)
    socket.create_connection((hub.hostname, port), timeout=_PROBE_TIMEOUT).close()
