"""Loading: a fitted estimator from a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.core.device import resolve_device
from sklearn_scan.core.features import Features
from sklearn_scan.core.warn import warn
from sklearn_scan.encoders import Encoder
from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.results.model import ClusterModel
from sklearn_scan.results.persistence._folder import read_folder
from sklearn_scan.results.persistence._known import (
    Entry,
    estimator_classes,
    first_place,
)
from sklearn_scan.results.persistence._own import OwnPart, OwnPartError, OwnParts
from sklearn_scan.results.persistence._unpacking import (
    Tensors,
    Unpacker,
    library_versions,
)

__all__ = ["load"]

# Errors that making an estimator from damaged values may raise.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def load(
    path: str | os.PathLike[str],
    *,
    encoder: OwnPart | Sequence[OwnPart] = None,
    device: str | torch.device | None = None,
) -> Any:
    """Load an estimator that `save` has written.

    Nothing in the folder is executed, and nothing else is read or fetched.

    Parameters
    ----------
    path : path
        The folder.
    encoder : module, callable, Encoder or list of these, default=None
        For a model with a network of your own, the network: an nn.Module, with any
        weights, or a function that makes one. The saved weights are loaded into it, or
        rather into a copy. For an `Encoder` of a class of your own, the fitted encoder,
        of which nothing is stored. For several encoders a list, with None for those
        that are not your own.
    device : str or torch.device, default=None
        Where to compute from now on. None is where the saved estimator did; "auto",
        with a warning, where there is no such device.

    Returns
    -------
    estimator
        Fitted, with the attributes that it had.

    Raises
    ------
    ModelFileError
        If the folder is damaged, no saved model, or of another version; says why.
    ValueError, TypeError
        If an encoder of your own is needed and not given, or is another one.

    Warns
    -----
    UserWarning
        If the device is not here, a parameter could not be saved, or the network given
        differs in its code from the one saved.

    See Also
    --------
    save : Its inverse.
    """
    if device is not None:
        resolve_device(device)
    own = OwnParts(encoder)
    try:
        document, tensors = read_folder(Path(path))
    except _DAMAGE as reason:
        raise _refusal(path, reason) from reason
    try:
        estimator = _make(document, tensors, own)
    except OwnPartError:
        raise
    except _DAMAGE as reason:
        raise _refusal(path, reason, document.get("made_with")) from reason
    if not own.is_used:
        raise ValueError(
            "encoder is for models with a network of your own; that of this model is "
            "in the file."
        )
    for gap in document["left_out"]:
        warn(gap, UserWarning)
    _choose_device(estimator, device)
    return estimator


def _refusal(
    path: str | os.PathLike[str], reason: Exception, made_with: object = None
) -> ModelFileError:
    text = str(reason) if isinstance(reason, ModelFileError) else repr(reason)
    here = library_versions()
    if made_with not in (None, here):
        text += f" It was saved with {made_with}; here are {here}."
    return ModelFileError(f"{os.fspath(path)!r} cannot be loaded: {text}")


def _make(document: Entry, tensors: Tensors, own: OwnParts) -> BaseEstimator:
    """Return the estimator of a folder."""
    packed, kinds = document["estimator"], estimator_classes()
    kind = packed["is"]
    if isinstance(kind, str) and kind.isidentifier() and kind not in kinds:
        raise ModelFileError(
            f"its class {kind} is not known here: import the module that registers it, "
            "which of this package's clusterers is sklearn_scan.clusterers."
        )
    unpacker = Unpacker(
        tensors, own, same_libraries=document["made_with"] == library_versions()
    )
    estimator = unpacker(packed, first_place(kinds[kind]))
    if not isinstance(estimator, Encoder):
        _check_clusterer(estimator)
    return estimator


def _check_clusterer(estimator: BaseEstimator) -> None:
    """Raise if the attributes of a clusterer do not fit one another."""
    check_is_fitted(estimator)
    n_samples, n_features = estimator.embedding_.shape
    n_clusters = estimator.n_clusters_
    shapes = {
        "labels_": (n_samples,),
        "probabilities_": (n_samples, n_clusters),
        "confident_": (n_samples,),
        "classes_": (n_clusters,),
    }
    wrong = [k for k, shape in shapes.items() if getattr(estimator, k).shape != shape]
    wrong += [
        name
        for name, value, length in (
            ("cluster_names_", estimator.cluster_names_, n_clusters),
            ("image_names_", estimator.image_names_, n_samples),
            ("neighbors_", estimator.neighbors_.indices, n_samples),
        )
        if value is not None and len(value) != length
    ]
    if wrong:
        raise ModelFileError(f"{', '.join(wrong)} are not of the length of the others.")
    if sum(estimator.embedding_dims_) != n_features:
        raise ModelFileError("embedding_dims_ do not fit the embedding.")
    if not ((estimator.labels_ >= -1) & (estimator.labels_ < n_clusters)).all():
        raise ModelFileError("labels_ name clusters that are not there.")
    zeros = Features.of(np.zeros((1, n_features), np.float32))
    row = ClusterModel(estimator.module_).probabilities(zeros)
    if row.shape != (1, n_clusters):
        raise ModelFileError("the heads do not fit the clusters.")


def _choose_device(estimator: BaseEstimator, device: str | torch.device | None) -> None:
    """Set the device of an estimator and of its encoders."""
    missing = set()
    for each in _all_estimators(estimator):
        if "device" not in each.get_params(deep=False):
            continue
        if device is not None:
            each.device = device
            continue
        try:
            resolve_device(each.device)
        except ValueError:
            missing.add(str(each.device))
            each.device = "auto"
    for name in sorted(missing):
        warn(
            f"The model was saved with device={name!r}, which is not here: its device "
            "is 'auto' now. load(path, device=...) chooses another.",
            UserWarning,
        )


def _all_estimators(estimator: BaseEstimator) -> Iterator[BaseEstimator]:
    yield estimator
    for value in vars(estimator).values():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, BaseEstimator):
                yield from _all_estimators(each)
