"""Saving a fitted estimator and loading it: safetensors and JSON, no pickle."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sklearn_scan import __version__
from sklearn_scan._device import resolve_device
from sklearn_scan.encoders import Encoder
from sklearn_scan.exceptions import ModelFileError
from sklearn_scan.persistence._folder import read_folder, write_folder
from sklearn_scan.persistence._known import ESTIMATORS, first_place
from sklearn_scan.persistence._own import OwnPartError, OwnParts
from sklearn_scan.persistence._packing import NotStorableError, Packer
from sklearn_scan.persistence._unpacking import Tensors, Unpacker, library_versions

__all__ = ["load", "save"]

# What putting a model together from wrong values may raise.
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def save(
    estimator: Any, path: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Save a fitted estimator as a folder that suffices by itself.

    The folder holds JSON and safetensors: parameters, what `fit` has set, the weights
    of the heads and of the encoder. It is written aside and then renamed, so that what
    was there before stays until the new one is complete.

    Parameters
    ----------
    estimator : SCANClusterer, TEMIClusterer, ImageEncoder or pretext
        Fitted.
    path : path
        A folder, which is made, with those above it.
    overwrite : bool, default=False
        Whether a saved model that is there may be replaced. Nothing else ever is.

    Raises
    ------
    TypeError
        If the estimator is of a class of your own, or holds a module that is.
    NotFittedError
        If it is not fitted.
    FileExistsError
        If something else is at `path`, or a saved model without `overwrite`.

    Warns
    -----
    UserWarning
        If a parameter cannot be stored, such as a function: it will have its default
        in the model that is loaded, which matters if it is fitted again.

    See Also
    --------
    load : Its inverse.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import SCANClusterer, load, save
    >>> X = load_digits().data[:300]
    >>> clusterer = SCANClusterer(n_clusters=10, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(clusterer, Path(folder, "digits"))
    ...     loaded = load(Path(folder, "digits"))
    >>> bool((loaded.predict_proba(X) == clusterer.predict_proba(X)).all())
    True
    """
    name = type(estimator).__name__
    if ESTIMATORS.get(name) is not type(estimator):
        raise TypeError(
            f"save knows {', '.join(sorted(ESTIMATORS))}; got {name}. joblib.dump may "
            "save it."
        )
    check_is_fitted(estimator)
    packer = Packer()
    try:
        packed = packer(estimator, first_place(type(estimator)))
    except NotStorableError as reason:
        raise TypeError(f"{name} cannot be saved, because of {reason}.") from reason
    _warn_of_gaps(packer.left_out)
    content = {
        "sklearn_scan": __version__,
        "made_with": library_versions(),
        "estimator": packed,
        "left_out": packer.left_out,
    }
    write_folder(Path(path), content, packer.tensors, overwrite=overwrite)


def load(
    path: str | os.PathLike[str],
    *,
    encoder: Any = None,
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
        If the folder is damaged, no saved model, or of a newer version; says why.
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
        estimator = _make(document, tensors, own)
    except OwnPartError:
        raise
    except _DAMAGE as reason:
        text = str(reason) if isinstance(reason, ModelFileError) else repr(reason)
        raise ModelFileError(
            f"{os.fspath(path)!r} cannot be loaded: {text}"
        ) from reason
    if not own.is_used:
        raise ValueError(
            "encoder is for models with a network of your own; that of this model is "
            "in the file."
        )
    _warn_of_gaps(document["left_out"])
    _choose_device(estimator, device)
    return estimator


def _make(document: dict[str, Any], tensors: Tensors, own: OwnParts) -> Any:
    """Return the estimator of a folder."""
    same_libraries = document["made_with"] == library_versions()
    packed = document["estimator"]
    kind = ESTIMATORS[packed["is"]]
    estimator = Unpacker(tensors, own, same_libraries=same_libraries)(
        packed, first_place(kind)
    )
    if not isinstance(estimator, Encoder):
        _check_clusterer(estimator)
    return estimator


def _check_clusterer(estimator: Any) -> None:
    """Raise if a clusterer's parts do not fit one another, or do not work."""
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
    if sum(estimator.space_dims_) != n_features:
        raise ModelFileError("space_dims_ do not fit the embedding.")
    if not ((estimator.labels_ >= -1) & (estimator.labels_ < n_clusters)).all():
        raise ModelFileError("labels_ name clusters that are not there.")
    row = estimator._probabilities(np.zeros((1, n_features), np.float32))
    if row.shape != (1, n_clusters):
        raise ModelFileError("the heads do not fit the clusters.")


def _warn_of_gaps(gaps: list[str]) -> None:
    for gap in gaps:
        warnings.warn(gap, UserWarning, stacklevel=3)


def _choose_device(estimator: Any, device: str | torch.device | None) -> None:
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
        warnings.warn(
            f"The model was saved with device={name!r}, which is not here: its device "
            "is 'auto' now. load(path, device=...) chooses another.",
            UserWarning,
            stacklevel=3,
        )


def _all_estimators(estimator: Any) -> Iterator[Any]:
    yield estimator
    for value in vars(estimator).values():
        for each in value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, BaseEstimator) and not isinstance(each, nn.Module):
                yield from _all_estimators(each)
