"""Backbones: timm models by name, from the hub or a checkpoint, or any module."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from textwrap import shorten
from typing import Any, cast

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from sklearn_scan.core.validation import did_you_mean
from sklearn_scan.core.wording import Advice, Message, Setting
from sklearn_scan.encoders.backbones._checkpoints import (
    Weights,
    describe_misfit,
    drop_classifier,
    read_weights,
)
from sklearn_scan.encoders.backbones._hub import cached_weights, probe_hub
from sklearn_scan.encoders.backbones._outputs import output_settings
from sklearn_scan.encoders.backbones._recipes import TimmRecipe, note_recipe
from sklearn_scan.exceptions import HubUnavailableError

_OFFLINE = (
    "Three ways on: weights on disk, encoder=ImageEncoder(name, checkpoint=PATH); "
    "features as X; or a pretext that learns from your images, encoder=SimCLR() (it "
    "needs 1,000 images or more, and on everyday photos is much worse than a "
    "pretrained network)."
)

Model = str | nn.Module | Callable[[], nn.Module]


def check_model(
    model: Model, checkpoint: str | Path | None, *, parameter: str = "encoder"
) -> None:
    """Raise if the model cannot be built, without building it.

    Raises
    ------
    TypeError
        If `model` is neither a name nor a module nor a callable.
    ValueError
        If the name is not one of timm's, or the checkpoint is not a file.
    """
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise ValueError(
            Message("{} is not a file.", Setting("checkpoint", str(checkpoint)))
        )
    if isinstance(model, str):
        _check_timm_name(model, parameter)
    elif isinstance(model, type) and issubclass(model, BaseEstimator):
        raise TypeError(
            f"The encoder is the class {model.__name__}: pass an instance, "
            f"{model.__name__}()."
        )
    elif not callable(model):  # a module is callable too
        raise TypeError(
            "The encoder must be 'auto', the name of a timm model, an Encoder such as "
            "ImageEncoder(...) or SimCLR(...), an nn.Module, or a function that "
            f"returns one; got {type(model).__name__}."
        )


def _check_timm_name(name: str, parameter: str) -> None:
    import timm

    if not _is_timm_name(name):
        if Path(name).is_file():
            raise ValueError(
                Message(
                    "{} is a file, not the name of a model: pass {}.",
                    Setting(parameter, name),
                    Advice("weights", "ImageEncoder(name, checkpoint=FILE)"),
                )
            )
        known = timm.list_models() + timm.list_pretrained()
        raise ValueError(
            Message(
                "Unknown {}: timm has no model of this name.{} {} lists names by "
                "pattern.",
                Setting(parameter, name),
                did_you_mean(name, known),
                Advice("names", "timm.list_models('*vit*')"),
            )
        )


def _is_timm_name(name: str) -> bool:
    import timm

    if not timm.is_model(name):  # which looks at what stands before the tag only
        return False
    try:
        timm.get_pretrained_cfg(name)
    except RuntimeError:
        return False
    return True


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
        The side of the images, for models that are built for one size.
    model_kwargs : dict, optional
        Passed to `timm.create_model`, or to the function.

    Raises
    ------
    TypeError
        If the function does not return a module.
    ValueError
        If the checkpoint cannot be read, or holds the weights of another architecture.
    HubUnavailableError
        If pretrained weights cannot be fetched.
    """
    kwargs = dict(model_kwargs or {})
    if checkpoint is None:
        return _build(model, None, input_size, kwargs).eval()
    weights = read_weights(checkpoint)
    try:
        return _build(model, weights, input_size, kwargs).eval()
    except (KeyError, RuntimeError) as error:
        own = _untrained(model, kwargs).state_dict()
        differences = describe_misfit(weights, own) or shorten(str(error), 400)
        raise ValueError(
            Message(
                "{} does not fit {}: {} Pass the model that the weights are of as {}.",
                Setting("checkpoint", str(checkpoint)),
                f"this model, {model!r}" if isinstance(model, str) else "this model",
                differences,
                Setting("model"),
            )
        ) from error


def _build(
    model: Model,
    weights: Weights | None,
    input_size: int | None,
    kwargs: dict[str, Any],
) -> nn.Module:
    if isinstance(model, str):
        return _build_timm(model, weights, input_size, kwargs)
    module = model if isinstance(model, nn.Module) else model(**kwargs)
    if not isinstance(module, nn.Module):
        raise TypeError(
            "The function that makes the backbone must return an nn.Module; it "
            f"returned {type(module).__name__}."
        )
    if weights is not None:
        config = getattr(module, "pretrained_cfg", None) or {}
        classifier, own = config.get("classifier"), module.state_dict()
        module.load_state_dict(drop_classifier(weights, classifier, keep=own))
    return module


def _untrained(model: Model, kwargs: dict[str, Any]) -> nn.Module:
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, str):
        import timm

        return timm.create_model(model, **kwargs)
    return model(**kwargs)


def _build_timm(
    name: str,
    weights: Weights | None,
    input_size: int | None,
    kwargs: dict[str, Any],
) -> nn.Module:
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is not None and config.fixed_input_size and input_size is not None:
        kwargs.setdefault("img_size", input_size)
    kwargs.update(output_settings(name) | kwargs)
    module = _load_timm(name, weights, kwargs)
    note_recipe(module, TimmRecipe.of(name, kwargs))
    return module


def _load_timm(name: str, weights: Weights | None, kwargs: dict[str, Any]) -> nn.Module:
    import timm

    if weights is not None:
        return _build_timm_from(weights, name, kwargs)
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise ValueError(
            Message(
                "timm has no pretrained weights for {!r}: pass {}, or choose a name "
                "that {} lists.",
                *(name, Advice("checkpoint", "checkpoint=")),
                Advice("pretrained", "timm.list_pretrained()"),
            )
        )
    if config.hf_hub_id and (cached := cached_weights(config.hf_hub_id)):
        return _build_timm_from(read_weights(cached), name, kwargs)
    try:
        if config.hf_hub_id:
            probe_hub()
        module: nn.Module = timm.create_model(name, pretrained=True, **kwargs)
    except OSError as error:
        raise HubUnavailableError(
            Message(
                "The weights of {!r} could not be fetched from the model hub. {}",
                name,
                Advice("offline", _OFFLINE),
            )
        ) from error
    return module


def _build_timm_from(weights: Weights, name: str, kwargs: dict[str, Any]) -> nn.Module:
    """Build a timm model with `weights`, by timm's own loader."""
    # it converts other layouts, and fits position embeddings to other image sizes
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is not None and kwargs["num_classes"] == 0:
        keep: Container[str] = ()
        if "." in "".join(config.classifier or ()):
            keep = _untrained(name, kwargs).state_dict()  # the head's norm may stay
        weights = drop_classifier(weights, config.classifier, keep)
    # Told of no classifier, the loader is strict: every weight must find its place.
    overlay = {"state_dict": weights, "classifier": None}
    module: Any = timm.create_model(
        name, pretrained=True, pretrained_cfg_overlay=overlay, **kwargs
    )
    del module.pretrained_cfg["state_dict"]  # else the weights are kept twice
    module.pretrained_cfg["classifier"] = config and config.classifier
    return cast(nn.Module, module)


def check_features(features: Any, n_images: int) -> Tensor:
    """Return the output of a backbone, if it is one vector an image.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if isinstance(features, Tensor) and features.ndim == 2:
        return features
    came = tuple(features.shape) if isinstance(features, Tensor) else type(features)
    raise ValueError(
        Message(
            "The backbone must return one vector an image, shape (b, embed_dim); it "
            "returned {} for {} images. Pool its output, or pass {} for a timm model.",
            *(came, n_images, Setting("model_kwargs", {"num_classes": 0})),
        )
    )
