"""The overview of a report: how the fit was made, and how well it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from sklearn_scan.core.durations import describe_duration
from sklearn_scan.encoders import name_encoder
from sklearn_scan.metrics import ClusteringReport
from sklearn_scan.report._settings import Setting, describe_settings, describe_value
from sklearn_scan.results.clustering import Clustering, Epoch
from sklearn_scan.results.quality import Fact, describe_quality

_STAGES = {
    "encode": "Embedding the images",
    "count": "Counting the clusters",
    "mine": "Finding neighbours",
    "cluster": "Learning the clusters",
    "self_label": "Self-labelling",
    "calibrate": "Calibrating",
}
_SECOND_STAGE = "self-labelling"  # in a clusterer's history
_MOST_CLASSES = 40  # rows and columns of the largest confusion matrix shown


@dataclass(frozen=True)
class FitFacts:
    """How a fitted clusterer was made, in the words of the page."""

    method: str
    encoder: str
    settings: list[Setting]
    times: list[tuple[str, str]]  # stages and their durations
    total_time: str
    quality: list[Fact]  # what is known without labels
    self_labeling: str
    embed_dim: int


class Curve(TypedDict):
    """A term of the loss in each epoch of a stage; None where it is not finite."""

    stage: str
    term: str
    values: list[float | None]


@dataclass(frozen=True)
class Agreement:
    """How well a clustering agrees with known classes, for the page."""

    scores: ClusteringReport
    clusters: list[int]  # the columns of the confusion matrix, in matched order
    # class, size and cells: the count and its share of the class
    rows: list[tuple[str, int, list[tuple[int, float]]]]
    is_cut: bool  # whether rows or columns are left out, since there are too many


def describe_fit(estimator: Clustering) -> FitFacts:
    """Return how a fitted clusterer was made."""
    times = estimator.stage_times_
    return FitFacts(
        method=type(estimator).__name__.removesuffix("Clusterer"),
        encoder=_name_encoder(estimator),
        settings=describe_settings(estimator),
        times=[
            (_STAGES.get(stage, stage), describe_duration(seconds))
            for stage, seconds in times.items()
        ],
        total_time=describe_duration(sum(times.values())),
        quality=describe_quality(estimator),
        self_labeling=_second_stage(estimator),
        embed_dim=int(estimator.embedding_.shape[1]),
    )


def _second_stage(estimator: Clustering) -> str:
    if estimator.self_labeled_:
        return "was kept"
    # its epochs stay in the history where it was undone
    was_run = any(record["stage"] == _SECOND_STAGE for record in estimator.history_)
    return "was undone, since neighbours agreed less" if was_run else "was left out"


def _name_encoder(estimator: Clustering) -> str:
    encoder = estimator.encoder_
    if encoder is None:
        dims = " + ".join(map(str, estimator.embedding_dims_))
        return f"features as given ({dims})"
    return describe_value(name_encoder(encoder))  # the name may be a path


def training_curves(history: Sequence[Epoch]) -> list[Curve]:
    """Return the curves of a clusterer's `history_`, the loss of each stage first.

    Terms that only repeat the loss are left out.

    Examples
    --------
    >>> training_curves([{"stage": "SCAN", "epoch": 1, "loss": 0.5}])
    [{'stage': 'SCAN', 'term': 'loss', 'values': [0.5]}]
    """
    curves: dict[tuple[str, str], list[float | None]] = {}
    for record in history:
        for term, value in record.items():
            if term in ("stage", "epoch"):
                continue
            value = float(value)
            values = curves.setdefault((str(record["stage"]), term), [])
            values.append(round(value, 6) if np.isfinite(value) else None)
    terms = sorted(curves, key=lambda key: key[1] != "loss")  # the loss first
    stages = list(dict.fromkeys(str(record["stage"]) for record in history))
    terms.sort(key=lambda key: stages.index(key[0]))
    return [
        {"stage": stage, "term": term, "values": curves[stage, term]}
        for stage, term in terms
        if term == "loss" or curves[stage, term] != curves.get((stage, "loss"))
    ]


def describe_agreement(report: ClusteringReport) -> Agreement:
    """Return the agreement; of many classes, the first in matched order are shown."""
    counts = report.confusion[:_MOST_CLASSES, :_MOST_CLASSES]
    columns = [int(c) for c in report.clusters if c >= 0][:_MOST_CLASSES]
    shares = counts / np.maximum(report.class_sizes[:_MOST_CLASSES, None], 1)
    rows = zip(report.classes, report.class_sizes, counts, shares, strict=False)
    return Agreement(
        scores=report,
        clusters=columns,
        rows=[
            (str(name), int(size), list(zip(row.tolist(), share.tolist(), strict=True)))
            for name, size, row, share in rows
        ],
        is_cut=max(report.confusion.shape) > _MOST_CLASSES,
    )
