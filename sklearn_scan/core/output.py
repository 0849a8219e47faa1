"""Data frames of probabilities, for those who ask for frames by `set_output`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from sklearn.utils._set_output import ADAPTERS_MANAGER


def in_frame(
    values: NDArray[Any], X: Any, estimator: object, names: Sequence[str]
) -> Any:
    """Return values in the kind of frame that an estimator was set to return.

    Parameters
    ----------
    values : ndarray of shape (n, n_columns)
        The values.
    X : object
        What they are of; if it is a frame with an index, they get this index.
    estimator : estimator
        Its own `set_output` counts. That of `sklearn.set_config` does not: it is for
        `transform`, and other estimators return arrays of probabilities then too.
    names : sequence of str
        The names of the columns. Those that are equal get their number behind them.

    Returns
    -------
    ndarray or data frame
        `values` themselves where no frame was asked for.
    """
    config = getattr(estimator, "_sklearn_output_config", {})
    adapter = ADAPTERS_MANAGER.adapters.get(config.get("transform", "default"))
    if adapter is None:
        return values
    columns = [
        name if list(names).count(name) == 1 else f"{name} ({number})"
        for number, name in enumerate(names)
    ]
    return adapter.create_container(values, X, columns=columns)
