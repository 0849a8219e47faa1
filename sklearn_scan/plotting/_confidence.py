"""The confidence of images: their largest probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_scan.plotting._axes import axes_or_new
from sklearn_scan.plotting._colors import MAIN, PALE
from sklearn_scan.plotting._docs import plot_docs
from sklearn_scan.results.clustering import Clustering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_N_BINS = 40


@plot_docs
def plot_confidence(clusterer: Clustering, *, ax: Axes | None = None) -> Axes:
    """Show a histogram of the images' confidence, their largest probability.

    Parameters
    ----------
    {clusterer}
    {ax}

    Returns
    -------
    matplotlib Axes
        The histogram; confident images (`confident_`) are dark.

    Notes
    -----
    Self-labelling makes the clusterer overconfident: confidence ranks images, and is
    no probability of a right answer.

    Examples
    --------
    {fitted}
    >>> from sklearn_scan.plotting import plot_confidence
    >>> plot_confidence(clusterer).get_ylabel()
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
