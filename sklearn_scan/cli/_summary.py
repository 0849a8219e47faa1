"""The summary of a run, in a few lines and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NotRequired, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from sklearn_scan.cli._console import count
from sklearn_scan.core.durations import describe_duration
from sklearn_scan.core.labels import cluster_sizes
from sklearn_scan.encoders import Encoder, name_encoder
from sklearn_scan.metrics import clustering_report
from sklearn_scan.results.clustering import Clustering
from sklearn_scan.results.quality import Fact

_WIDTH = 88
_SHOWN_SIZES = 20
_SURE = 0.99  # mean confidence; surer clusters are not mentioned
_LEAST_SHARED = 0.001  # mean product of two clusters' probabilities, likewise


class _Scores(TypedDict):
    accuracy: float
    nmi: float
    ari: float
    top_5: float | None


class Summary(TypedDict):
    """The facts about a fitted clusterer that are printed."""

    method: str
    encoder: str
    n_images: int
    n_unreadable: int
    n_clusters: int
    is_estimated: bool
    cluster_names: list[str]
    cluster_sizes: list[int]
    cluster_confidence: list[float | None]
    confidence_threshold: float
    share_confident: float
    median_confidence: float
    quality: dict[str, float | None]
    most_confused: list[int] | None
    seconds: dict[str, float]
    skipped: NotRequired[dict[str, int]]
    agreement: NotRequired[_Scores]


def summarize(clusterer: Clustering, truth: Sequence[str] | None = None) -> Summary:
    """Return the summary of a fitted clusterer."""
    labels, probabilities = clusterer.labels_, clusterer.probabilities_
    readable = labels >= 0
    confidence = probabilities[readable].max(axis=1)
    summary: Summary = {
        "method": type(clusterer).__name__,
        "encoder": name_encoder(cast(Encoder, clusterer.encoder_)),  # of images
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
        "quality": {
            name: _or_none(value)
            for name, value in clusterer.quality_._asdict().items()
        },
        "most_confused": _most_confused(probabilities[readable]),
        "seconds": _seconds(clusterer),
    }
    if truth is not None:
        report = clustering_report(truth, labels, probabilities)
        summary["agreement"] = {
            "accuracy": report.accuracy,
            "nmi": report.nmi,
            "ari": report.ari,
            "top_5": report.top_5,
        }
    return summary


def _seconds(clusterer: Clustering) -> dict[str, float]:
    """Return the time of each stage, and that of all of them, as the page has it."""
    times = clusterer.stage_times_
    seconds = {**times, "fit": sum(times.values())}
    return {name: round(value, 2) for name, value in seconds.items()}


def _or_none(value: float) -> float | None:
    """Return a number, or None for NaN, which JSON has not."""
    return None if np.isnan(value) else value


def _by_cluster(clusterer: Clustering) -> list[float | None]:
    """Return the mean confidence in each cluster; None for an empty one."""
    confidence = clusterer.probabilities_.max(axis=1)
    means: list[float | None] = []
    for cluster in clusterer.classes_:
        own = confidence[clusterer.labels_ == cluster]
        means.append(float(own.mean()) if len(own) else None)
    return means


def _most_confused(probabilities: NDArray[np.float64]) -> list[int] | None:
    """Return the two clusters that share the most probability."""
    if probabilities.shape[1] > 2:  # without what calibration gives to all alike
        probabilities = probabilities - probabilities.min(axis=1, keepdims=True)
    shared = np.triu(probabilities.T @ probabilities, k=1) / len(probabilities)
    if shared.max() < _LEAST_SHARED:
        return None
    return [int(i) for i in np.unravel_index(shared.argmax(), shared.shape)]


def describe(summary: Summary, quality: Sequence[Fact]) -> list[str]:
    """Return the summary, and what is known of the clusters, as lines of text."""
    n_readable = summary["n_images"] - summary["n_unreadable"]
    n_clusters = count(summary["n_clusters"], "cluster")
    estimated = " (estimated)" if summary["is_estimated"] else ""
    lines = [
        f"{count(n_readable, 'photo')} in {n_clusters}{estimated}, by "
        f"{summary['method']} on {summary['encoder']}.",
        _how_long(summary["seconds"]),
    ]
    sizes = summary["cluster_sizes"]
    shown = ", ".join(map(str, sizes[:_SHOWN_SIZES]))
    if len(sizes) > _SHOWN_SIZES:
        shown += f" and {len(sizes) - _SHOWN_SIZES} smaller ones"
    lines += textwrap.wrap(f"Sizes: {shown}.", _WIDTH)
    lines += [f"{fact.name}: {fact.value} ({fact.note})." for fact in quality]
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


def _how_long(seconds: dict[str, float]) -> str:
    """Return a line on the time of the fit, which the page has too, and of all."""
    fit, whole = (describe_duration(seconds[name]) for name in ("fit", "in all"))
    return f"Embedding and clustering took {fit}, with loading and the report {whole}."


def _where_to_look(summary: Summary) -> list[str]:
    """Return lines on the least confident cluster, and on the two most confused."""
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
