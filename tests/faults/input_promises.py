"""What a fit promises, whatever comes: an error that names its cause, or clusters."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from sklearn_scan import GraphDegreeLinkage, ImageEncoder, metrics
from sklearn_scan.exceptions import (
    DivergenceError,
    HubUnavailableError,
    ImageReadError,
)
from sklearn_scan.neighbors import mine_neighbors

# Errors that `fit` documents beside TypeError and ValueError.
_DOCUMENTED = (DivergenceError, HubUnavailableError, ImageReadError)
_EXPECTED_WARNINGS = (ConvergenceWarning, UserWarning)


class BrokenPromiseError(AssertionError):
    """A promise that was not kept."""


def averages() -> ImageEncoder:
    """Return an encoder of four mean colours: no weights, and quick."""
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    return ImageEncoder(network, input_size=8)


def attempt(
    act: Callable[[], Any], names: Iterable[str]
) -> tuple[Any, Exception | None]:
    """Return what `act` returns, or its error: a TypeError or ValueError with a name.

    Raises
    ------
    BrokenPromiseError
        If the error is another, names nothing, or a warning is of another kind or
        points into a library.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result, error = act(), None
        except (TypeError, ValueError, *_DOCUMENTED) as raised:
            result, error = None, raised
        except Exception as raised:
            raise BrokenPromiseError(f"{type(raised).__name__}: {raised}") from raised
    named = isinstance(error, _DOCUMENTED) or any(n in str(error) for n in names)
    if error is not None and not named:
        raise BrokenPromiseError(
            f"{type(error).__name__} names no cause: {error}"
        ) from error
    for each in caught:
        if not issubclass(each.category, _EXPECTED_WARNINGS):
            raise BrokenPromiseError(f"{each.category.__name__}: {each.message}")
        if Path(each.filename).parent != Path(__file__).parent:
            raise BrokenPromiseError(
                f"{each.filename}:{each.lineno} warns: {each.message}"
            )
    return result, error


def check_fit(clusterer: Any, recipe: Any, counts: Counter[str]) -> None:
    """Fit X of a recipe and check all that is promised."""
    X, before = recipe.build(), recipe.build()
    names = {
        "X",
        "Input",
        "Expected 2D array",
        type(clusterer).__name__,
        *clusterer.get_params(deep=False),
    }
    _, error = attempt(lambda: clusterer.fit(X), names)
    check_unchanged(X, before)
    if error is not None:
        counts["fits refused"] += 1
        if hasattr(clusterer, "labels_"):
            raise BrokenPromiseError("labels_ are set after a fit that failed")
        if recipe.is_benign and n_clusters_fit(clusterer, recipe):
            raise BrokenPromiseError(
                f"refused, and nothing is wrong: {error}"
            ) from error
        return
    counts["fits"] += 1
    check_clusters(clusterer, len(before) if hasattr(before, "__len__") else None)
    if not isinstance(clusterer, GraphDegreeLinkage):
        predicted, error = attempt(lambda: clusterer.predict(X), names)
        if error is not None:
            raise BrokenPromiseError(
                f"predict refuses what fit took: {error}"
            ) from error
        np.testing.assert_array_equal(predicted, clusterer.labels_)
        check_unchanged(X, before)


def n_clusters_fit(clusterer: Any, recipe: Any) -> bool:
    """Return whether there are samples enough for the number of clusters."""
    asked = clusterer.n_clusters
    return not isinstance(asked, str) and asked <= recipe.shape[0]


def check_clusters(clusterer: Any, n_samples: int | None = None) -> None:
    """Check the labels and the probabilities of a fit."""
    labels = clusterer.labels_
    if n_samples is not None and not isinstance(clusterer, GraphDegreeLinkage):
        assert labels.ndim == 1
    assert labels.dtype == np.int64
    assert labels.min() >= 0
    assert labels.max() < clusterer.n_clusters_
    sizes = np.bincount(labels, minlength=clusterer.n_clusters_)
    assert (np.diff(sizes) <= 0).all(), f"clusters are not numbered by size: {sizes}"
    neighbors = clusterer.neighbors_
    assert neighbors.indices.max(initial=-1) < len(labels)
    assert np.isfinite(clusterer.embedding_).all()
    if isinstance(clusterer, GraphDegreeLinkage):
        assert np.isfinite(clusterer.distances_).all()
        return
    probabilities = clusterer.probabilities_
    assert probabilities.shape == (len(labels), clusterer.n_clusters_)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.isfinite(clusterer.head_losses_).all()


def check_unchanged(X: Any, before: Any) -> None:
    """Check that X is as it was built."""
    if hasattr(X, "__next__"):  # an iterator may be looked at, and has no copy
        return
    if fingerprint(X) != fingerprint(before):
        raise BrokenPromiseError("X was changed")


def fingerprint(X: Any) -> bytes:
    """Return bytes that tell whether X is the same as before."""
    if isinstance(X, torch.Tensor):
        if X.device.type == "meta":
            return repr((X.shape, X.dtype)).encode()
        dense = X.detach().to_dense() if X.is_sparse else X.detach()
        flags = repr((X.shape, X.dtype, X.requires_grad)).encode()
        return flags + pickle.dumps(dense.tolist())
    if isinstance(X, np.ndarray):
        flags = repr((X.dtype, X.shape, X.strides, X.flags.writeable)).encode()
        mask = (
            np.ma.getmaskarray(X).tobytes() if isinstance(X, np.ma.MaskedArray) else b""
        )
        values = (
            pickle.dumps(X.tolist()) if X.dtype.hasobject else np.asarray(X).tobytes()
        )
        return flags + mask + values
    return pickle.dumps(copy.copy(X))


def check_neighbors(
    recipe: Any, n_neighbors: Any, settings: dict[str, Any], counts: Counter[str]
) -> None:
    """Find the neighbours of features of a recipe."""
    X, before = recipe.build(), recipe.build()
    names = {"features", "n_neighbors", *settings}
    graph, error = attempt(lambda: mine_neighbors(X, n_neighbors, **settings), names)
    check_unchanged(X, before)
    if error is not None:
        counts["searches refused"] += 1
        return
    counts["searches"] += 1
    n_samples = len(graph.indices)
    assert graph.indices.shape == (n_samples, n_neighbors)
    assert ((graph.indices >= 0) & (graph.indices < n_samples)).all()
    assert (graph.indices != np.arange(n_samples)[:, np.newaxis]).all()
    assert all(len(set(row)) == n_neighbors for row in graph.indices.tolist())
    assert np.isfinite(graph.similarities).all()
    assert (np.diff(graph.similarities, axis=1) <= 1e-6).all()


def check_given(clusterer: Any, X: Any, neighbors: Any) -> None:
    """Fit with neighbours that may be anything."""
    _, error = attempt(
        lambda: clusterer.fit(X, neighbors=neighbors), {"neighbors", "neighbours"}
    )
    if error is None:
        check_clusters(clusterer)


METRICS = {
    "clustering_accuracy": metrics.clustering_accuracy,
    "majority_accuracy": metrics.majority_accuracy,
    "match_clusters": metrics.match_clusters,
    "majority_mapping": metrics.majority_mapping,
    "clustering_report": metrics.clustering_report,
    "top_k_accuracy": metrics.top_k_accuracy,
    "neighbor_purity": metrics.neighbor_purity,
}


def check_metric(name: str, first: Any, second: Any, counts: Counter[str]) -> None:
    """Compare whatever comes as labels."""
    names = {"y_true", "y_pred", "proba", "neighbors", "labels", "y must", "k must"}
    found, error = attempt(lambda: METRICS[name](first, second), names)
    counts["metrics refused" if error is not None else "metrics"] += 1
    if isinstance(found, float):
        assert 0 <= found <= 1
