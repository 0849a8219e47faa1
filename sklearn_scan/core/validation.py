"""Checks of parameters, in the words of the parameter's name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_scalar


def check_count(name: str, value: Any, *, minimum: int = 1) -> int:
    """Return `value` if it is an integer of at least `minimum`.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is too small.
    """
    # bool is an Integral, and never what was meant by a count
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be an instance of int, not bool.")
    return int(check_scalar(value, name, Integral, min_val=minimum))


def check_real(
    name: str,
    value: Any,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    boundaries: str = "both",
) -> float:
    """Return `value` if it is a number in the range.

    Raises
    ------
    TypeError
        If it is not a real number.
    ValueError
        If it is outside the range, or not finite.
    """
    check_scalar(
        value,
        name,
        Real,
        min_val=minimum,
        max_val=maximum,
        include_boundaries=boundaries,
    )
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite; got {value}.")
    return float(value)


def check_option(name: str, value: Any, options: Iterable[str]) -> str:
    """Return `value` if it is among `options`, else name them and the nearest one.

    Raises
    ------
    ValueError
        If it is not.
    """
    known = list(options)
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(
        f"{name} must be one of {known}; got {value!r}.{did_you_mean(value, known)}"
    )


def is_auto(name: str, value: Any) -> bool:
    """Return whether `value` is "auto".

    Raises
    ------
    ValueError
        If it is another string.
    """
    if isinstance(value, str) and value != "auto":
        raise ValueError(f"{name} must be 'auto' or a number; got {value!r}.")
    return isinstance(value, str)


def check_verbose(verbose: Any) -> None:
    """Raise if `verbose` is not an integer of at least zero."""
    check_scalar(verbose, "verbose", Integral, min_val=0)


def did_you_mean(value: Any, known: Iterable[str]) -> str:
    """Return a sentence with the known names nearest to `value`, or nothing."""
    names, text = list(known), str(value)
    containing = [name for name in names if text and text in name]
    near = containing[:3] or get_close_matches(text, names, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""


def check_prior(prior: Any, n_clusters: int) -> NDArray[np.float32]:
    """Return the cluster proportions as an array that sums to one.

    Raises
    ------
    ValueError
        If there is not one proportion above zero per cluster, or if they do not sum
        to one.
    """
    try:
        proportions = np.asarray(prior, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"cluster_prior must hold numbers; got {prior!r}.") from error
    if proportions.shape != (n_clusters,):
        raise ValueError(
            f"cluster_prior must hold one proportion per cluster, shape "
            f"({n_clusters},); got shape {proportions.shape}."
        )
    if not (np.isfinite(proportions).all() and (proportions > 0).all()):
        raise ValueError("cluster_prior must hold finite proportions above zero.")
    if abs(proportions.sum() - 1) > 1e-3:
        raise ValueError(
            f"cluster_prior must sum to one; it sums to {proportions.sum():.4g}."
        )
    scaled: NDArray[np.float32] = (proportions / proportions.sum()).astype(np.float32)
    return scaled
