"""Unpacking: an estimator from JSON values and tensors."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from sklearn_scan.core.device import to_compute
from sklearn_scan.core.random import isolated_rng
from sklearn_scan.core.warn import warn
from sklearn_scan.encoders import Encoder, Recipe, describe_misfit
from sklearn_scan.encoders.cache import fingerprint
from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.results.persistence._known import (
    MODULE_STATE,
    MODULES,
    RECORDS,
    Entry,
    Place,
    dotted,
    estimator_classes,
)
from sklearn_scan.results.persistence._own import OwnPartError, OwnParts
from sklearn_scan.results.persistence._packing import ARRAYS, BACKBONES, HEADS

Tensors = Mapping[str, Mapping[str, Tensor]]


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide how a network computes."""
    libraries = {name: version(name) for name in ("torch", "timm")}
    return {"python": platform.python_version(), **libraries}


class Unpacker:
    """Makes an estimator from JSON values and tensors."""

    def __init__(
        self, tensors: Tensors, own: OwnParts, *, same_libraries: bool
    ) -> None:
        self._tensors = tensors
        self._own_parts = own
        self._estimators = estimator_classes()
        self._same_libraries = same_libraries
        self._modules: dict[str, nn.Module] = {}  # by the place of each
        self._network_settings: Entry = {}  # of the encoder at work
        self._unpackers: dict[str, Callable[[Entry, Place], Any]] = {
            "array": lambda entry, _: self._tensor(ARRAYS, entry).numpy(),
            "device": lambda entry, _: torch.device(entry["text"]),
            "dict": lambda entry, place: self._all(entry["items"], place),
            "float": lambda entry, _: float(entry["text"]),
            "network": self._network,
            "own": self._own,
            "path": lambda entry, _: Path(entry["text"]),
            "random_state": self._random_state,
            "same": lambda entry, _: self._modules[entry["as"]],
            "scalar": self._scalar,
            "tensor": lambda entry, _: self._tensor(HEADS, entry),
            "texts": lambda entry, _: np.array(entry["items"], dtype=object),
            "tuple": lambda entry, place: tuple(self(entry["items"], place)),
        }

    def __call__(self, value: Any, place: Place = ()) -> Any:
        """Return what was packed as `value`."""
        if isinstance(value, list):
            return [self(each, (*place, i)) for i, each in enumerate(value)]
        if not isinstance(value, dict):
            return value
        kind = value["is"]
        if kind in self._estimators:
            return self._estimator(self._estimators[kind], value, place)
        if kind in RECORDS:
            return RECORDS[kind](**self._all(value["fields"], place))
        if kind in MODULES:
            return self._parts(MODULES[kind], value, place)
        return self._unpackers[kind](value, place)

    def _all(self, values: Entry, place: Place) -> Entry:
        return {name: self(each, (*place, name)) for name, each in values.items()}

    def _scalar(self, value: Entry, place: Place) -> np.generic:
        return np.dtype(value["dtype"]).type(self(value["value"], place))

    def _random_state(self, value: Entry, place: Place) -> np.random.RandomState:
        generator = np.random.RandomState()
        generator.set_state(self(value["state"], place))
        return generator

    def _tensor(self, file: str, value: Entry) -> Tensor:
        # a copy: what is changed in place is the caller's, and the file is let go of
        return self._tensors[file][value["name"]].clone()

    def _own(self, value: Entry, place: Place) -> Encoder | Callable[..., nn.Module]:
        if value["what"] == "encoder":
            return self._own_parts.encoder(value, fitted="encoder_" in place)
        return self._own_parts.function(value)

    def _network(self, value: Entry, place: Place) -> nn.Module:
        module = self._build(value, place)
        prefix = f"{value['weights']}:"
        weights = {
            name.removeprefix(prefix): tensor
            for name, tensor in self._tensors[BACKBONES].items()
            if name.startswith(prefix)
        }
        if misfit := describe_misfit(weights, module.state_dict()):
            kind = OwnPartError if value["recipe"] is None else ModelFileError
            raise kind(
                f"The weights of {dotted(place)} do not fit a "
                f"{type(module).__name__} as it is made here: {misfit}"
            )
        for name, own in (*module.named_parameters(), *module.named_buffers()):
            if name in weights:  # a network of halves stays one
                own.data = own.data.to(weights[name].dtype)
        module.load_state_dict(weights)
        training = frozenset(value["training"])
        for name, part in module.named_modules():
            part.training = name in training
        if self._same_libraries and fingerprint(module) != value["fingerprint"]:
            warn(
                f"The {type(module).__name__} of {dotted(place)} has the saved "
                "weights, but its code or settings are not those of when it was saved: "
                "what it computes may differ.",
                UserWarning,
            )
        # channels-last, as a fitted encoder's
        self._modules[dotted(place)] = to_compute(module, torch.device("cpu"))
        return module

    def _build(self, value: Entry, place: Place) -> nn.Module:
        """Return the network of an entry, with any weights."""
        with isolated_rng(0):
            if value["recipe"] is None:
                return self._own_parts.network(value, self._network_settings)
            return cast(Recipe, self(value["recipe"], place)).build()

    def _parts(self, kind: type, value: Entry, place: Place) -> nn.Module:
        """Return a module of a known class, from its parts."""
        # Without __init__, which draws weights: all that it sets is in the file.
        module: nn.Module = object.__new__(kind)
        nn.Module.__init__(module)
        attributes = self._all(value["attributes"], place)
        _check_names(attributes, kind)
        vars(module).update(attributes)
        for name, weight in self._all(value["parameters"], place).items():
            module.register_parameter(name, nn.Parameter(weight))
        for name, buffer in self._all(value["buffers"], place).items():
            module.register_buffer(name, buffer)
        for name, part in self._all(value["parts"], place).items():
            module.add_module(name, part)
        module.training = value["training"]
        return module

    def _estimator(self, kind: type, value: Entry, place: Place) -> BaseEstimator:
        parameters = self._all(value["parameters"], place)
        estimator = kind(**parameters)
        before = self._network_settings
        self._network_settings = parameters.get("model_kwargs") or {}
        fitted = self._all(value["fitted"], place)
        self._network_settings = before
        _check_names(fitted, kind)
        vars(estimator).update(fitted)
        return estimator


def _check_names(values: Entry, kind: type) -> None:
    """Raise if a name is that of a method, a property, or an attribute of torch."""
    for name in values:
        shadowed = inspect.getattr_static(kind, name, None)
        if (
            not name.isidentifier()
            or name.startswith("__")
            or name in MODULE_STATE
            or callable(shadowed)
            or isinstance(shadowed, property | classmethod | staticmethod)
        ):
            raise ModelFileError(f"{name!r} is no attribute of {kind.__name__}.")
