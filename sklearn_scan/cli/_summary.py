"""What a run came to, in a few lines and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.cli._console import count
from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.encoders import name_encoder
from sklearn_scan.metrics import ClusteringReport, clustering_report

__all__ = ["describe", "summarize"]

_WIDTH = 88
_SHOWN_SIZES = 20
_SURE = 0.99  # on average: no cluster that is surer is worth a word
_LEAST_SHARED = 0.001  # of two clusters' probabilities, on average


def summarize(clusterer: Any, truth: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what is to be said of a fitted clusterer, as JSON has it."""
    labels, probabilities = clusterer.labels_, clusterer.probabilities_
    readable = labels >= 0
    confidence = probabilities[readable].max(axis=1)
    summary = {
        "method": type(clusterer).__name__,
        "encoder": name_encoder(clusterer.encoder_),
        "n_images": len(labels),
        "n_unreadable": int((~readable).sum()),
        "n_clusters": clusterer.n_clusters_,
        "is_estimated": clusterer.n_clusters_curve_ is not None,
        "cluster_names": list(clusterer.cluster_names_),
        "cluster_sizes": cluster_sizes(labels, clusterer.n_clusters_).tolist(),
        "cluster_confidence": _by_cluster(clusterer),
        "confidence_threshold": clusterer.confidence_threshold,
        "share_confident": float(clusterer.confident_[readable].mean()),
        "median_confidence": float(np.median(confidence)),
        "most_confused": _most_confused(probabilities[readable]),
        "seconds": {k: round(v, 2) for k, v in clusterer.stage_times_.items()},
    }
    if truth is not None:
        summary["agreement"] = _agreement(
            clustering_report(truth, labels, probabilities)
        )
    return summary


def _agreement(report: ClusteringReport) -> dict[str, float | None]:
    return {
        "accuracy": report.accuracy,
        "nmi": report.nmi,
        "ari": report.ari,
        "top_5": report.top_5,
    }


def _by_cluster(clusterer: Any) -> list[float | None]:
    """Return the mean confidence in each cluster; None where it is empty."""
    confidence = clusterer.probabilities_.max(axis=1)
    means: list[float | None] = []
    for cluster in clusterer.classes_:
        own = confidence[clusterer.labels_ == cluster]
        means.append(float(own.mean()) if len(own) else None)
    return means


def _most_confused(probabilities: NDArray[np.float64]) -> list[int] | None:
    """Return the two clusters that most probability is shared between."""
    shared = np.triu(probabilities.T @ probabilities, k=1) / len(probabilities)
    if shared.max() < _LEAST_SHARED:
        return None
    return [int(i) for i in np.unravel_index(shared.argmax(), shared.shape)]


def describe(summary: dict[str, Any]) -> list[str]:
    """Return the summary in plain words, a few lines of it."""
    n_readable = summary["n_images"] - summary["n_unreadable"]
    n_clusters = count(summary["n_clusters"], "cluster")
    estimated = " (estimated)" if summary["is_estimated"] else ""
    lines = [
        f"{count(n_readable, 'photo')} in {n_clusters}{estimated}, by "
        f"{summary['method']} on {summary['encoder']}, in "
        f"{summary['seconds']['in all']:.0f} s."
    ]
    sizes = summary["cluster_sizes"]
    shown = ", ".join(map(str, sizes[:_SHOWN_SIZES]))
    if len(sizes) > _SHOWN_SIZES:
        shown += f" and {len(sizes) - _SHOWN_SIZES} smaller ones"
    lines += textwrap.wrap(f"Sizes: {shown}.", _WIDTH)
    lines.append(
        f"Sure of {summary['share_confident']:.0%} of them (above "
        f"{summary['confidence_threshold']:g}); median confidence "
        f"{summary['median_confidence']:.2f}."
    )
    lines += _where_to_look(summary)
    if "agreement" in summary:
        scores = summary["agreement"]
        counted = ", unreadable ones as wrong" if summary["n_unreadable"] else ""
        lines.append(
            f"Against the true classes: ACC {scores['accuracy']:.3f}, NMI "
            f"{scores['nmi']:.3f}, ARI {scores['ari']:.3f}{counted}."
        )
    if summary["n_unreadable"]:
        lines.append(
            f"{count(summary['n_unreadable'], 'photo')} cannot be read: see log.txt."
        )
    return lines


def _where_to_look(summary: dict[str, Any]) -> list[str]:
    """Name the cluster that is least sure, and the two most alike, if there are any."""
    names = summary["cluster_names"]
    means = [(m, c) for c, m in enumerate(summary["cluster_confidence"]) if m]
    least, cluster = min(means)
    lines = []
    if len(means) > 1 and least < _SURE:
        lines.append(
            f"Look first at {names[cluster]!r}, the least sure ({least:.0%} confident "
            "on average)."
        )
    if summary["most_confused"] is not None:
        first, second = (names[c] for c in summary["most_confused"])
        lines.append(f"Most often confused: {first!r} and {second!r}.")
    return lines
