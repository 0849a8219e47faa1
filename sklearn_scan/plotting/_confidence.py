"""How sure the clusterer is of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.plotting._axes import axes_or_new
from sklearn_scan.plotting._colors import MAIN, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_BINS = 40


def plot_confidence(clusterer: Any, *, ax: Axes | None = None) -> Axes:
    """Show how many images have which confidence, their largest probability.

    Parameters
    ----------
    clusterer : fitted clusterer
        Such as `SCANClusterer`.
    ax : matplotlib Axes, default=None
        Where to draw; None makes a new figure.

    Returns
    -------
    matplotlib Axes
        A histogram; the confident images (`confident_`) are dark.

    Notes
    -----
    Self-labelling makes the clusterer surer than it is right: confidence puts images
    in an order, and is no probability of a right answer.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan import SCANClusterer
    >>> from sklearn_scan.plotting import plot_confidence
    >>> clusterer = SCANClusterer(n_clusters=10, n_heads=3, random_state=0)
    >>> plot_confidence(clusterer.fit(load_digits().data[:300])).get_ylabel()
    'images'
    """
    check_is_fitted(clusterer)
    readable = clusterer.labels_ >= 0
    confidence = clusterer.probabilities_[readable].max(axis=1)
    confident = clusterer.confident_[readable]
    ax = axes_or_new(ax, 6.4, 3.6)
    ax.hist(
        [confidence[confident], confidence[~confident]],
        bins=np.linspace(0, 1, _N_BINS + 1).tolist(),
        stacked=True,
        color=[MAIN, PALE],
        label=[
            f"confident: {confident.sum()} ({confident.mean():.0%})",
            f"less so: {(~confident).sum()} ({(~confident).mean():.0%})",
        ],
    )
    ax.set_xlim(0, 1)
    ax.set_xlabel("probability of the most probable cluster")
    ax.set_ylabel("images")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper left", frameon=False)
    return ax
