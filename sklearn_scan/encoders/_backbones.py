"""Backbones: timm models by name, from the hub or a checkpoint, or any module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from sklearn_scan._validation import did_you_mean
from sklearn_scan.encoders._preprocessing import Preprocessing
from sklearn_scan.exceptions import HubUnavailableError

Model = str | nn.Module | Callable[[], nn.Module]

# ImageNet's, for modules that come without a configuration of their own.
_DEFAULT_CONFIG: dict[str, Any] = {
    "input_size": (3, 224, 224),
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "crop_pct": 1.0,
    "interpolation": "bicubic",
}


def check_model(model: Model, checkpoint: str | Path | None) -> None:
    """Raise if the model cannot be built, without building it.

    Raises
    ------
    TypeError
        If `model` is neither a name nor a module nor a callable.
    ValueError
        If the name is not one of timm's, or the checkpoint is not a file.
    """
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise ValueError(f"checkpoint={str(checkpoint)!r} is not a file.")
    if isinstance(model, str):
        _check_timm_name(model)
    elif not callable(model):  # a module is callable too
        raise TypeError(
            "The encoder must be 'auto', the name of a timm model, an Encoder such as "
            "ImageEncoder(...) or SimCLR(...), an nn.Module, or a function that "
            f"returns one; got {type(model).__name__}."
        )


def _check_timm_name(name: str) -> None:
    import timm

    if not timm.is_model(name):
        known = timm.list_models() + timm.list_pretrained()
        raise ValueError(
            f"Unknown encoder {name!r}: timm has no model of this name."
            f"{did_you_mean(name, known)} "
            "timm.list_models('*vit*') lists names by pattern."
        )


def build_backbone(
    model: Model,
    *,
    checkpoint: str | Path | None = None,
    input_size: int | None = None,
    model_kwargs: dict[str, Any] | None = None,
) -> nn.Module:
    """Return the module, from images (b, 3, h, w) to features, with its weights.

    Parameters
    ----------
    model : str, nn.Module or callable
        A timm name, a module, or a function that makes one.
    checkpoint : path, optional
        Weights to load (safetensors, or a state dict) instead of the hub's.
    input_size : int, optional
        The side of the images, told to models built for one size.
    model_kwargs : dict, optional
        Passed to `timm.create_model`, or to the function.
    """
    kwargs = dict(model_kwargs or {})
    if isinstance(model, str):
        module = _build_timm(model, checkpoint is None, input_size, kwargs)
    elif isinstance(model, nn.Module):
        module = model
    else:
        module = model(**kwargs)
    if checkpoint is not None:
        load_checkpoint(module, checkpoint)
    return module.eval()


def _build_timm(
    name: str, pretrained: bool, input_size: int | None, kwargs: dict[str, Any]
) -> nn.Module:
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size and input_size is not None:
        kwargs.setdefault("img_size", input_size)
    kwargs.setdefault("num_classes", 0)  # pooled features instead of class scores
    if not pretrained:
        module: nn.Module = timm.create_model(name, **kwargs)
        return module
    if config is None or not config.has_weights:
        raise ValueError(
            f"timm has no pretrained weights for {name!r}: pass checkpoint=, or choose "
            "a name that timm.list_pretrained() lists."
        )
    try:
        module = timm.create_model(name, pretrained=True, **kwargs)
    except _network_errors() as error:
        raise HubUnavailableError(
            f"The weights of {name!r} could not be fetched from the model hub. Three "
            "ways on: weights on disk, encoder=ImageEncoder(name, checkpoint=PATH); a "
            "pretext that learns from your images, encoder=SimCLR(); or features as X."
        ) from error
    return module


def _network_errors() -> tuple[type[Exception], ...]:
    """Return what a download raises; timm and the hub's client wrap several kinds."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # Sockets, time-outs and requests' errors are all OSErrors.
    errors: list[type[Exception]] = [OSError, HfHubHTTPError, LocalEntryNotFoundError]
    try:
        from httpx import HTTPError
    except ImportError:
        return tuple(errors)
    return (*errors, HTTPError)


def load_checkpoint(module: nn.Module, checkpoint: str | Path) -> None:
    """Load weights into `module`; executes nothing that the file holds.

    The weights of a classifier that the module lacks are passed over.

    Raises
    ------
    ValueError
        If the file cannot be read, or its weights are those of another architecture.
    """
    from timm.models import load_state_dict

    try:
        state = load_state_dict(str(checkpoint), weights_only=True)
    except Exception as error:  # each format's reader raises kinds of its own
        raise ValueError(
            f"checkpoint={str(checkpoint)!r} could not be read as safetensors or as a "
            f"state dict: {error}"
        ) from error
    config = getattr(module, "pretrained_cfg", None) or {}
    classifier = config.get("classifier") or ()
    prefixes = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    own = module.state_dict()
    extra = [k for k in state if k not in own and not k.startswith(prefixes)]
    missing = [key for key in own if key not in state]
    reshaped = [k for k in own if k in state and own[k].shape != state[k].shape]
    if extra or missing or reshaped:
        raise ValueError(
            f"checkpoint={str(checkpoint)!r} does not fit this model: "
            f"{_name_keys(missing)} missing, {_name_keys(extra)} unknown, "
            f"{_name_keys(reshaped)} of another shape."
        )
    module.load_state_dict({key: state[key] for key in own})


def _name_keys(keys: list[str]) -> str:
    if not keys:
        return "none"
    shown = ", ".join(keys[:3])
    return f"{len(keys)} ({shown}{', …' if len(keys) > 3 else ''})"


def backbone_preprocessing(module: nn.Module, **given: Any) -> Preprocessing:
    """Return the module's own preprocessing, overridden by what is given (not None)."""
    own = getattr(module, "pretrained_cfg", None) or {}
    config = {key: own.get(key, value) for key, value in _DEFAULT_CONFIG.items()}
    config["input_size"] = config["input_size"][-1]
    config |= {key: value for key, value in given.items() if value is not None}
    config["mean"] = _three(config["mean"], "mean")
    config["std"] = _three(config["std"], "std")
    return Preprocessing(**config)


def _three(values: Any, name: str) -> tuple[float, ...]:
    """Return one value for each of red, green and blue."""
    numbers = (values,) * 3 if isinstance(values, int | float) else tuple(values)
    if len(numbers) != 3:
        raise ValueError(f"{name} must be a number or 3 numbers; got {values!r}.")
    return tuple(float(number) for number in numbers)
