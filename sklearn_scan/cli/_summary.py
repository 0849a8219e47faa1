"""What a run came to, in a few lines and as JSON."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_scan._gaps import cluster_sizes
from sklearn_scan.encoders import name_encoder
from sklearn_scan.metrics import ClusteringReport, clustering_report

__all__ = ["describe", "summarize"]

_WIDTH = 88
_SHOWN_SIZES = 20


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
    """Return the median confidence in each cluster; None where it is empty."""
    confidence = clusterer.probabilities_.max(axis=1)
    medians: list[float | None] = []
    for cluster in clusterer.classes_:
        own = confidence[clusterer.labels_ == cluster]
        medians.append(float(statistics.median(own)) if len(own) else None)
    return medians


def _most_confused(probabilities: np.ndarray[Any, Any]) -> list[int] | None:
    """Return the two clusters that most probability is shared between."""
    shared = np.triu(probabilities.T @ probabilities, k=1)
    if not shared.any():
        return None
    return [int(i) for i in np.unravel_index(shared.argmax(), shared.shape)]


def describe(summary: dict[str, Any]) -> list[str]:
    """Return the summary in plain words, a few lines of it."""
    seconds = sum(summary["seconds"].values())
    lines = [
        f"{summary['n_images'] - summary['n_unreadable']:,} photos in "
        f"{summary['n_clusters']} clusters, by {summary['method']} on "
        f"{summary['encoder']}, in {seconds:.0f} s."
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
    lines.append(_where_to_look(summary))
    if "agreement" in summary:
        scores = summary["agreement"]
        lines.append(
            f"Against the true classes: ACC {scores['accuracy']:.3f}, NMI "
            f"{scores['nmi']:.3f}, ARI {scores['ari']:.3f}."
        )
    if summary["n_unreadable"]:
        lines.append(f"{summary['n_unreadable']} photos cannot be read: see log.txt.")
    return lines


def _where_to_look(summary: dict[str, Any]) -> str:
    """Name the cluster that is least sure, and the two most alike."""
    names = summary["cluster_names"]
    medians = [(m, c) for c, m in enumerate(summary["cluster_confidence"]) if m]
    least, cluster = min(medians)
    text = f"Look first at {names[cluster]!r}, the least sure (median {least:.2f})"
    if summary["most_confused"] is None:
        return text + "."
    first, second = (names[c] for c in summary["most_confused"])
    return f"{text}; most often confused: {first!r} and {second!r}."
