"""Checkpoints: weights on disk, and their differences from a model's."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from sklearn_scan.core.wording import Advice, Message, Setting

Weights: TypeAlias = dict[str, Tensor]

_SHOWN = 3


def read_weights(checkpoint: str | Path) -> Weights:
    """Read a safetensors file or a state dict; execute nothing that it holds."""
    from timm.models import load_state_dict

    try:
        weights: Weights = load_state_dict(str(checkpoint), weights_only=True)
    except Exception as error:  # each format's reader raises kinds of its own
        raise ValueError(
            Message(
                "{} could not be read as safetensors or as a state dict: {}",
                *(Setting("checkpoint", str(checkpoint)), Advice("reason", str(error))),
            )
        ) from error
    if not weights:
        raise ValueError(
            Message("{} holds no weights.", Setting("checkpoint", str(checkpoint)))
        )
    return weights


def drop_classifier(
    weights: Weights,
    classifier: str | Sequence[str] | None,
    keep: Container[str] = (),
) -> Weights:
    """Leave out the weights of the classifier, a layer or several in timm's words."""
    # for "head.linear", all below "head", such as a norm's, except those to keep
    names = [classifier] if isinstance(classifier, str) else classifier or ()
    heads = tuple(f"{name.partition('.')[0]}." for name in names)
    return {
        key: value
        for key, value in weights.items()
        if key in keep or not key.startswith(heads)
    }


def describe_misfit(weights: Weights, own: Mapping[str, Tensor]) -> str:
    """Say which weights differ between a checkpoint and a model; "" if none does.

    Parameters
    ----------
    weights : dict of str to Tensor
        The checkpoint's.
    own : mapping of str to Tensor
        The model's.

    Returns
    -------
    str
        Of names and shapes; values are not compared.
    """
    missing = [key for key in own if key not in weights]
    unknown = [key for key in weights if key not in own]
    reshaped = [
        f"{key} is {tuple(value.shape)} in the file and {tuple(own[key].shape)} in the "
        "model"
        for key, value in weights.items()
        if key in own and value.shape != own[key].shape
    ]
    differences = {
        f"of the model's {len(own)} weights are not in the file": missing,
        "in the file are not the model's": unknown,
        "are of another shape": reshaped,
    }
    found = [f"{len(k)} {what} ({_some(k)})" for what, k in differences.items() if k]
    return "; ".join(found) + "." * bool(found)


def _some(names: list[str]) -> str:
    more = ", …" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
