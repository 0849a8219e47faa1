"""Packing: an estimator as JSON values and tensors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from sklearn_scan.core.random import isolated_rng
from sklearn_scan.encoders import Encoder, ImageEncoder, describe_misfit, recipe_of
from sklearn_scan.encoders.cache import fingerprint
from sklearn_scan.results.persistence._known import (
    MODULE_STATE,
    MODULES,
    RECORDS,
    Json,
    Place,
    dotted,
    encoder_number,
    estimator_classes,
    is_network_place,
)

HEADS, BACKBONES, ARRAYS = "heads", "backbones", "arrays"  # the files of tensors

_PLAIN = (bool, int, str)  # written as they are; of their subclasses, some are not
_CALLBACKS = "_skl_callbacks"  # scikit-learn's, which follow the fits of one session
# (The checkpoint of an ImageEncoder is its weights.)
_FOLDERS = {"memory", "checkpoint"}
_Kind = type | tuple[type, ...]


class NotStorableError(TypeError):
    """A value has no place in a saved model."""


class Packer:
    """Turns an estimator into JSON values and tensors."""

    def __init__(self) -> None:
        self.tensors: dict[str, dict[str, Tensor]] = {}  # of each file, by name
        self.left_out: list[str] = []  # could not be stored, nor is needed to predict
        self._estimators = estimator_classes()
        self._modules: dict[int, str] = {}  # the first place of each, by id
        self._weights: dict[str, str] = {}  # the name of the weights, by digest
        self._packers: list[tuple[_Kind, Callable[[Any, Place], Json]]] = [
            (np.generic, self._scalar),
            (np.ndarray, self._array),
            (Tensor, partial(self._keep, "tensor", HEADS)),
            (nn.Module, self._module),
            (BaseEstimator, self._estimator),
            (tuple(RECORDS.values()), self._record),
            ((list, tuple), self._sequence),
            (dict, self._mapping),
            (PurePath, lambda path, _: {"is": "path", "text": str(path)}),
            (torch.device, lambda device, _: {"is": "device", "text": str(device)}),
            (joblib.Memory, lambda memory, place: self(memory.location, place)),
            (np.random.RandomState, self._random_state),
        ]

    def __call__(self, value: object, place: Place = ()) -> Json:
        """Return the JSON value for a value, and keep its tensors."""
        if value is None or (isinstance(value, int | str) and type(value) in _PLAIN):
            return value
        if type(value) is float:
            if math.isfinite(value):
                return value
            return {"is": "float", "text": repr(value)}
        for kind, pack in self._packers:
            if isinstance(value, kind):
                return pack(value, place)
        if callable(value) and is_network_place(place):
            return self._own(value, place)
        raise NotStorableError(f"{dotted(place)}, {_describe(value)}")

    def _sequence(self, values: Sequence[object], place: Place) -> Json:
        items = [self(each, (*place, i)) for i, each in enumerate(values)]
        return items if type(values) is list else {"is": "tuple", "items": items}

    def _mapping(self, values: Mapping[str, object], place: Place) -> Json:
        if not all(type(key) is str for key in values):
            raise NotStorableError(f"{dotted(place)}, a dict whose keys are no strings")
        return {"is": "dict", "items": self._all(values, place)}

    def _all(self, values: Mapping[str, object], place: Place) -> Json:
        return {name: self(each, (*place, name)) for name, each in values.items()}

    def _scalar(self, value: np.generic, place: Place) -> Json:
        if value.dtype.kind not in "biuf":
            return self(value.item(), place)
        return {"is": "scalar", "dtype": value.dtype.name, "value": self(value.item())}

    def _array(self, array: NDArray[Any], place: Place) -> Json:
        if array.dtype.kind in "OU" and all(type(text) is str for text in array.flat):
            return {"is": "texts", "items": array.tolist()}
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise NotStorableError(f"{dotted(place)}, an array of {array.dtype}")
        native = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
        return self._keep("array", ARRAYS, torch.from_numpy(native), place)

    def _keep(self, kind: str, file: str, tensor: Tensor, place: Place) -> Json:
        name = dotted(place)
        self.tensors.setdefault(file, {})[name] = tensor.detach().cpu().contiguous()
        return {"is": kind, "name": name}

    def _random_state(self, generator: np.random.RandomState, place: Place) -> Json:
        state = generator.get_state(legacy=False)
        return {"is": "random_state", "state": self(state, place)}

    def _record(self, record: Any, place: Place) -> Json:
        if is_dataclass(record):
            values = {each.name: getattr(record, each.name) for each in fields(record)}
        else:
            values = record._asdict()
        return {"is": type(record).__name__, "fields": self._all(values, place)}

    def _estimator(self, estimator: BaseEstimator, place: Place) -> Json:
        name = type(estimator).__name__
        if self._estimators.get(name) is not type(estimator):
            return self._own(estimator, place)
        parameters = estimator.get_params(deep=False)
        # they are of this machine: who loads a model has not asked to use a folder
        folders = {"memory"} if isinstance(estimator, ImageEncoder) else _FOLDERS
        stored = {k: v for k, v in parameters.items() if k not in folders}
        left_out = {*parameters, _CALLBACKS}
        fitted = {k: v for k, v in vars(estimator).items() if k not in left_out}
        return {
            "is": name,
            "parameters": self._those_storable(
                stored, place, "is not stored: what is loaded has the default"
            ),
            "fitted": self._those_storable(fitted, place, "is not stored"),
        }

    def _those_storable(
        self, values: Mapping[str, object], place: Place, gap: str
    ) -> Json:
        packed: dict[str, Json] = {}
        for name, value in values.items():
            try:
                packed[name] = self(value, (*place, name))
            except NotStorableError as reason:
                if name in ("module_", "encoder_"):
                    raise
                self.left_out.append(f"{reason}, {gap}.")
        return packed

    def _module(self, module: nn.Module, place: Place) -> Json:
        if id(module) in self._modules:
            return {"is": "same", "as": self._modules[id(module)]}
        known = all(type(part) in MODULES.values() for part in module.modules())
        packed = self._parts(module, place) if known else self._network(module, place)
        self._modules[id(module)] = dotted(place)
        return packed

    def _parts(self, module: nn.Module, place: Place) -> Json:
        """Pack a module of a known class, with its parts."""
        own = {k: v for k, v in vars(module).items() if k not in MODULE_STATE}
        return {
            "is": type(module).__name__,
            "training": module.training,
            "attributes": self._all(own, place),
            "parameters": self._all(
                dict(module.named_parameters(recurse=False)), place
            ),
            "buffers": self._all(dict(module.named_buffers(recurse=False)), place),
            "parts": {
                name: self._parts(part, (*place, name))
                for name, part in module.named_children()
            },
        }

    def _network(self, module: nn.Module, place: Place) -> Json:
        """Pack a network: its weights and, if it is known, its recipe."""
        if not is_network_place(place):
            raise NotStorableError(f"{dotted(place)}, {_describe(module)}")
        return {
            "is": "network",
            "class": type(module).__name__,
            "recipe": self._recipe(module, place),
            "encoder": encoder_number(place),
            "weights": self._keep_weights(module, place),
            "training": [
                name for name, part in module.named_modules() if part.training
            ],
            "fingerprint": fingerprint(module),
        }

    def _recipe(self, module: nn.Module, place: Place) -> Json:
        """Return the recipe of a network; None if there is none that still fits."""
        recipe = recipe_of(module)
        if recipe is None:
            return None
        with isolated_rng(0):
            made = recipe.build()
        # the network may have changed since, or have settings that are left out
        if str(made) != str(module) or describe_misfit(
            module.state_dict(), made.state_dict()
        ):
            return None
        try:
            return self(recipe, place)
        except NotStorableError:  # a class among the settings, say
            return None

    def _keep_weights(self, module: nn.Module, place: Place) -> str:
        """Keep the weights, those of equal networks once; return their name."""
        state = module.state_dict()
        digest = blake2b(digest_size=16)
        for name, value in state.items():
            if not isinstance(value, Tensor):
                raise NotStorableError(
                    f"{dotted(place)}, a {type(module).__name__} whose state is more "
                    f"than tensors ({name})"
                )
            state[name] = value = value.detach().cpu().contiguous()
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.flatten().view(torch.uint8).numpy().data)
        name = self._weights.setdefault(digest.hexdigest(), dotted(place))
        if name == dotted(place):
            file = self.tensors.setdefault(BACKBONES, {})
            file |= {f"{name}:{key}": value for key, value in state.items()}
        return name

    def _own(self, value: object, place: Place) -> Json:
        """Return an entry for the user's own encoder or function."""
        if not is_network_place(place):
            raise NotStorableError(f"{dotted(place)}, {_describe(value)}")
        return {
            "is": "own",
            "class": getattr(value, "__name__", type(value).__name__),
            "what": "encoder" if isinstance(value, Encoder) else "function",
            "encoder": encoder_number(place),
        }


def _describe(value: object) -> str:
    """Say what a value is, without its address."""
    name = getattr(value, "__qualname__", None)
    return f"the function {name}" if name else f"a {type(value).__qualname__}"
