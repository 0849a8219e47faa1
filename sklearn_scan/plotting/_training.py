"""The loss of a fit, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes

from sklearn_scan.plotting._axes import axes_or_new
from sklearn_scan.plotting._colors import COLORS, DIM
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.plotting._fitted import check_drawable
from sklearn_scan.pretext import Pretext
from sklearn_scan.results.clustering import Clustering, Epoch

_NO_TERMS = {"stage", "epoch", "loss", "n_confident"}
_SECOND_STAGE = "self-labelling"


@plot_docs
def plot_training(estimator: Clustering | Pretext, *, ax: Axes | None = None) -> Axes:
    """Show the loss and its terms, for each epoch of every stage.

    Parameters
    ----------
    estimator : fitted clusterer or pretext
        Such as `SCANClusterer` or `SimCLR`. Its `history_` is drawn.
    {ax}

    Returns
    -------
    matplotlib Axes
        The stages are side by side, in their order in time. A second scale, on the
        right, shows the number of confident images in self-labelling.

    Raises
    ------
    TypeError
        If it is a clusterer that trains nothing, such as `GraphDegreeLinkage`.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_training
    >>> plot_training(clusterer).get_xlabel()
    'epoch'
    """
    if not hasattr(estimator, "history_"):
        check_drawable(estimator)
    history = estimator.history_
    ax = axes_or_new(ax, 7.5, 4)
    start = 0
    terms = dict.fromkeys(name for record in history for name in record)
    colors = dict(zip([t for t in terms if t not in _NO_TERMS], COLORS, strict=False))
    seen: set[str] = set()
    for stage, group in groupby(history, key=lambda record: record["stage"]):
        records = list(group)
        is_undone = not isinstance(estimator, Pretext) and not estimator.self_labeled_
        note = "\n(undone)" if is_undone and stage == _SECOND_STAGE else ""
        _draw_stage(ax, records, start, colors, seen)
        _name_stage(ax, f"{stage}{note}", start, len(records))
        start += len(records)
    ax.set_xlim(0.5, start + 0.5)
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.spines["top"].set_visible(False)
    second = _draw_confident(ax, history)
    handles, labels = ax.get_legend_handles_labels()
    if second is not None:
        more = second.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    ax.legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.16),
        ncols=len(labels), frameon=False,
    )  # fmt: skip
    return ax


def _draw_stage(
    ax: Axes,
    records: Sequence[Epoch],
    start: int,
    colors: dict[str, str],
    seen: set[str],
) -> None:
    """Draw the curves of a stage whose first epoch is `start` + 1."""
    epochs = [start + 1 + i for i in range(len(records))]
    terms = [name for name in records[0] if name not in _NO_TERMS]
    if len(terms) > 1:  # a single term is the loss itself
        terms = ["loss", *terms]
    for name in terms:
        ax.plot(
            epochs,
            [record[name] for record in records],
            color=colors.get(name, "black"),
            linewidth=2.2 if name == "loss" else 1.6,
            marker="." if len(records) < 3 else None,  # a point makes no line
            label=None if name in seen else name.replace("_", " "),
        )
        seen.add(name)


def _name_stage(ax: Axes, name: str, start: int, n_epochs: int) -> None:
    if start:
        ax.axvline(start + 0.5, color=DIM, linewidth=0.8)
    ax.annotate(
        name,
        (start + 0.5 + n_epochs / 2, 1),
        (0, 4),
        xycoords=ax.get_xaxis_transform(),
        textcoords="offset points",
        ha="center",
        color=DIM,
    )


def _draw_confident(ax: Axes, history: Sequence[Epoch]) -> Axes | None:
    """Draw the number of confident images, if it is known, on a second scale."""
    epochs = [i for i, record in enumerate(history) if "n_confident" in record]
    if not epochs:
        return None
    second = ax.twinx()
    counts = [int(history[i]["n_confident"]) for i in epochs]
    second.plot(
        [i + 1 for i in epochs], counts, ":", color=DIM, label="confident images"
    )
    second.set_ylim(0, max(1, *counts) * 1.08)
    second.set_ylabel("confident images", color=DIM)
    second.tick_params(axis="y", colors=DIM)
    second.spines["top"].set_visible(False)
    return second
