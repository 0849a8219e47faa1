"""What the result of a long piece of work depends on, for its checkpoint."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from torch import nn

from sklearn_scan.core.version import __version__
from sklearn_scan.encoders._image_encoder import ImageEncoder
from sklearn_scan.encoders.cache import digest, fingerprint

_LIBRARIES = ("torch", "timm", "numpy", "scipy", "scikit-learn", "faiss-cpu", "pillow")
# Parameters that change where and how fast, and not what. (The numbers of another
# device differ in the last digits.)
_FREE = {"memory", "n_jobs", "verbose", "device", "checkpoint"}


def version_facts() -> dict[str, str]:
    """Return the versions of the libraries that the numbers come from.

    Returns
    -------
    dict of str to str
        The version by the name of the library; of Python, major and minor.

    Examples
    --------
    >>> "torch" in version_facts()
    True
    """
    facts = {
        "sklearn_scan": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
    }
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):  # faiss has packages of other names
            facts[name] = version(name)
    return facts


def parameter_facts(estimator: BaseEstimator) -> dict[str, str]:
    """Return the parameters of an estimator, and of the encoders among them.

    `random_state` is not among them: it is known by the seeds that are drawn from it.

    Parameters
    ----------
    estimator : BaseEstimator
        Fitted or not.

    Returns
    -------
    dict of str to str
        What each parameter is, or a digest of it, by its name; and the class.

    Examples
    --------
    >>> from sklearn_scan.pretext import SimCLR
    >>> facts = parameter_facts(SimCLR(epochs=5))
    >>> facts["class"], facts["epochs"]
    ('SimCLR', '5')
    """
    own = dict(_parameters(estimator, ""))
    own.pop("random_state", None)
    own["callbacks"] = ", ".join(
        type(each).__name__ for each in getattr(estimator, "_skl_callbacks", [])
    )
    return {"class": type(estimator).__name__, **own}


def _parameters(estimator: BaseEstimator, place: str) -> Iterator[tuple[str, str]]:
    free = _FREE - {"checkpoint"} if isinstance(estimator, ImageEncoder) else _FREE
    for name, value in estimator.get_params(deep=False).items():
        if name not in free:
            yield from _tell(f"{place}{name}", value)


def _tell(place: str, value: Any) -> Iterator[tuple[str, str]]:
    value = _simplest(value)
    if isinstance(value, BaseEstimator):
        yield place, type(value).__name__
        if not type(value).__module__.startswith("sklearn_scan."):
            yield f"{place}.code", digest(type(value))
        yield from _parameters(value, f"{place}.")
    elif isinstance(value, list | tuple) and any(_has_parts(each) for each in value):
        yield place, f"{len(value)} of them"
        for i, each in enumerate(value):
            yield from _tell(f"{place}[{i}]", each)
    elif value is None or isinstance(value, bool | int | float | str):
        yield place, repr(value)
    else:
        yield place, digest(value)


def _simplest(value: Any) -> Any:
    """Return a value in the form in which equal ones are the same."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, nn.Module):
        return digest(fingerprint(value))
    return np.asarray(value, np.float64) if _is_numbers(value) else value


def _is_numbers(value: Any) -> bool:
    """Tell whether a value is an array of numbers, or a list of them."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return isinstance(value, list | tuple) and all(
        isinstance(each, int | float) for each in value
    )


def _has_parts(value: object) -> bool:
    return isinstance(value, BaseEstimator | nn.Module)
