"""What a report says of a fit as a whole: how it was made, and how well it went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sklearn_scan.encoders import name_encoder
from sklearn_scan.metrics import ClusteringReport
from sklearn_scan.report._settings import describe_settings, describe_value

__all__ = ["describe_agreement", "describe_fit", "training_curves"]

_STAGES = {
    "encode": "Embedding the images",
    "count": "Counting the clusters",
    "mine": "Finding neighbours",
    "cluster": "Training the heads",
    "self_label": "Self-labelling",
}
_SECOND_STAGE = "self-labelling"  # in a clusterer's history
_MOST_CLASSES = 40  # rows, and columns, of a confusion matrix that is still read


def describe_fit(estimator: Any) -> dict[str, Any]:
    """Return how a fitted clusterer came about, for the page's template.

    Parameters
    ----------
    estimator : fitted clusterer

    Returns
    -------
    dict
        Its method, encoder, settings, and the seconds of each stage.
    """
    times = estimator.stage_times_
    return {
        "method": type(estimator).__name__.removesuffix("Clusterer"),
        "encoder": _name_encoder(estimator),
        "settings": describe_settings(estimator),
        "times": [
            (_STAGES.get(stage, stage), _duration(seconds))
            for stage, seconds in times.items()
        ],
        "total_time": _duration(sum(times.values())),
        "threshold": estimator.confidence_threshold,
        "share_confident": float(estimator.confident_[estimator.labels_ >= 0].mean()),
        "self_labeling": _second_stage(estimator),
        "embed_dim": int(estimator.embedding_.shape[1]),
    }


def _second_stage(estimator: Any) -> str:
    if estimator.self_labeled_:
        return "was kept"
    # what it noted stays where the heads of before were taken back
    was_run = any(record["stage"] == _SECOND_STAGE for record in estimator.history_)
    return "was undone, since neighbours agreed less" if was_run else "was left out"


def _name_encoder(estimator: Any) -> str:
    encoder = estimator.encoder_
    if encoder is None:
        dims = " + ".join(map(str, estimator.embedding_dims_))
        return f"features as given ({dims})"
    return describe_value(name_encoder(encoder))  # the name may be a path


def _duration(seconds: float) -> str:
    if seconds < 0.1:
        return "< 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def training_curves(history: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort what was noted epoch by epoch into curves.

    Parameters
    ----------
    history : iterable of dict
        A clusterer's `history_`.

    Returns
    -------
    list of dict
        A curve each, with the `stage`, the `term` and its `values`; None for a value
        that is not finite. Terms that only repeat the loss are left out.

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


def describe_agreement(agreement: ClusteringReport) -> dict[str, Any]:
    """Return how a clustering agrees with known classes, for the page's template.

    Parameters
    ----------
    agreement : ClusteringReport

    Returns
    -------
    dict
        The scores, and the confusion matrix as rows of (class, size, cells); a cell is
        its count and the share of the class, in percent. Unreadable images are in no
        column. Of very many classes or clusters, the first in matched order.
    """
    counts = agreement.confusion[:_MOST_CLASSES, :_MOST_CLASSES]
    columns = [int(c) for c in agreement.clusters if c >= 0][:_MOST_CLASSES]
    shares = counts / np.maximum(agreement.class_sizes[:_MOST_CLASSES, None], 1)
    rows = zip(agreement.classes, agreement.class_sizes, counts, shares, strict=False)
    return {
        "accuracy": agreement.accuracy,
        "nmi": agreement.nmi,
        "ari": agreement.ari,
        "top_5": agreement.top_5,
        "clusters": columns,
        "rows": [
            (str(name), int(size), list(zip(row.tolist(), share.tolist(), strict=True)))
            for name, size, row, share in rows
        ],
        "n_classes": len(agreement.classes),
        "is_cut": max(agreement.confusion.shape) > _MOST_CLASSES,
    }
