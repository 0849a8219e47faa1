"""Checks of parameters, in the words of the parameter's name.

A dataclass states the check of a parameter beside its field, and `check_parameters`
runs them all:

>>> from dataclasses import dataclass
>>> @dataclass
... class Trainer:
...     epochs: int | str = checked("auto", auto_or(count()))
>>> check_parameters(Trainer(epochs=0))
Traceback (most recent call last):
    ...
ValueError: epochs must be at least 1; got 0.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import field, fields
from difflib import get_close_matches
from functools import partial
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.core.wording import Message, Setting, Value

T = TypeVar("T")
Check = Callable[[str, Any], object]  # of a name and a value; raises if it is wrong

_LARGEST = float(np.finfo(np.float32).max)  # of the numbers that networks compute with


def checked(default: T, check: Check) -> T:
    """Return a field of a dataclass that has a default and a check."""
    declared: T = field(default=default, metadata={"check": check})
    return declared


def check_parameters(estimator: Any) -> None:
    """Check the parameters of a dataclass that have a check, in their order."""
    for each in fields(estimator):
        if "check" in each.metadata:
            each.metadata["check"](each.name, getattr(estimator, each.name))


def count(minimum: int = 1) -> Check:
    """Return the check of an integer of at least `minimum`."""
    return partial(check_count, minimum=minimum)


def real(
    minimum: float | None = None,
    maximum: float | None = None,
    boundaries: str = "both",
) -> Check:
    """Return the check of a number in a range, which includes these boundaries."""
    return partial(check_real, minimum=minimum, maximum=maximum, boundaries=boundaries)


def option(options: Iterable[str]) -> Check:
    """Return the check of one of some names."""
    return partial(check_option, options=options)


def auto_or(check: Check) -> Check:
    """Return the check of "auto", or of a number."""
    return lambda name, value: is_auto(name, value) or check(name, value)


def none_or(check: Check) -> Check:
    """Return the check of None, or of something else."""
    return lambda name, value: value is None or check(name, value)


def check_flag(name: str, value: Any) -> None:
    """Raise if `value` is not True or False."""
    if not isinstance(value, bool):
        flags = Value(True), Value(False)
        raise TypeError(
            Message("{} must be {} or {}; got {}.", Setting(name), *flags, Value(value))
        )


def check_auto_flag(name: str, value: Any) -> None:
    """Raise if `value` is not "auto", True or False."""
    if not (isinstance(value, bool) or (isinstance(value, str) and value == "auto")):
        flags = Value(True), Value(False)
        template = "{} must be 'auto', {} or {}; got {}."
        raise ValueError(Message(template, Setting(name), *flags, Value(value)))


def check_folder(name: str, value: Any) -> None:
    """Raise if `value` is neither None nor the path of a folder."""
    if value is None:
        return
    if not isinstance(value, str | os.PathLike):
        raise TypeError(
            Message(
                "{} must be a folder or {}; got {}.",
                *(Setting(name), Value(None), type(value).__name__),
            )
        )
    if not os.fspath(value):
        raise ValueError(Message("{} has an empty name.", Setting(name)))


def check_views(name: str, value: Any) -> None:
    """Raise if `value` is not "auto" or a function."""
    if not (callable(value) or (isinstance(value, str) and value == "auto")):
        raise TypeError(
            f"{name} must be 'auto' or a function of a batch; got {value!r}."
        )


def check_count(name: str, value: Any, *, minimum: int = 1) -> int:
    """Return `value` if it is an integer of at least `minimum`."""
    # bool is an Integral, and never what was meant by a count
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise TypeError(_must(name, "an integer", Value(value)))
    if value < minimum:
        raise ValueError(_must(name, f"at least {minimum}", value))
    return int(value)


def check_real(
    name: str,
    value: Any,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    boundaries: str = "both",
) -> float:
    """Return `value` if it is a number in the range, finite in single precision."""
    if not isinstance(value, Real):
        raise TypeError(_must(name, "a number", Value(value)))
    number = _to_float(value)
    if not np.isfinite(number):
        raise ValueError(_must(name, "finite", value))
    if abs(number) > _LARGEST:
        raise ValueError(_must(name, f"at most {_LARGEST:.1e} in size", value))
    bounds, is_inside = [], True
    if minimum is not None:
        is_in = boundaries in {"both", "left"}
        bounds.append(f"{'at least' if is_in else 'above'} {minimum}")
        is_inside &= number >= minimum if is_in else number > minimum
    if maximum is not None:
        is_in = boundaries in {"both", "right"}
        bounds.append(f"{'at most' if is_in else 'below'} {maximum}")
        is_inside &= number <= maximum if is_in else number < maximum
    if not is_inside:
        raise ValueError(_must(name, " and ".join(bounds), value))
    return number


def _to_float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:  # of an integer that no float is as large as
        return np.inf


def check_seed(name: str, value: Any) -> None:
    """Raise if `value` seeds no generator of random numbers."""
    from sklearn.utils import check_random_state  # here: it takes a second to import

    try:
        check_random_state(value)
    except (TypeError, ValueError) as error:
        what = Message(
            "an integer from 0 to 2**32 - 1, a RandomState or {}", Value(None)
        )
        raise ValueError(_must(name, what, Value(value))) from error


def check_option(name: str, value: Any, options: Iterable[str]) -> str:
    """Return `value` if it is among `options`, else name them and the nearest one."""
    known = list(options)
    if isinstance(value, str) and value in known:
        return value
    near = did_you_mean(value, known)
    template = "{} must be one of {}; got {}.{}"
    raise ValueError(Message(template, Setting(name), known, Value(value), near))


def is_auto(name: str, value: Any) -> bool:
    """Return whether `value` is "auto"; raise if it is another string."""
    if isinstance(value, str) and value != "auto":
        raise ValueError(_must(name, "'auto' or a number", Value(value)))
    return isinstance(value, str)


def check_verbose(verbose: Any) -> None:
    """Raise if `verbose` is not an integer of at least zero."""
    level = int(verbose) if isinstance(verbose, bool) else verbose
    check_count("verbose", level, minimum=0)


def _must(name: str, what: str, got: object) -> Message:
    """Return the message of a parameter that is not what it must be."""
    return Message("{} must be {}; got {}.", Setting(name), what, got)


def did_you_mean(value: Any, known: Iterable[str]) -> str:
    """Return a sentence with the known names nearest to `value`, or nothing."""
    names, text = list(known), str(value)
    containing = [name for name in names if text and text in name]
    near = containing[:3] or get_close_matches(text, names, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def check_prior(prior: Any, n_clusters: int) -> NDArray[np.float32]:
    """Return cluster proportions as an array (n_clusters,) that sums to one."""
    prior_name = Setting("cluster_prior")
    try:
        proportions = np.asarray(prior, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            Message("{} must hold numbers; got {!r}.", prior_name, prior)
        ) from error
    if proportions.shape != (n_clusters,):
        raise ValueError(
            Message(
                "{} must hold one proportion per cluster, shape ({},); got shape {}.",
                *(prior_name, n_clusters, proportions.shape),
            )
        )
    if not (np.isfinite(proportions).all() and (proportions > 0).all()):
        raise ValueError(
            Message("{} must hold finite proportions above zero.", prior_name)
        )
    if abs(proportions.sum() - 1) > 1e-3:
        raise ValueError(
            Message(
                "{} must sum to one; it sums to {:.4g}.", prior_name, proportions.sum()
            )
        )
    scaled: NDArray[np.float32] = (proportions / proportions.sum()).astype(np.float32)
    return scaled
