"""The scores of numbers of clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn_scan.model_selection import ClusterNumberCurve
from sklearn_scan.plotting._axes import axes_or_new
from sklearn_scan.plotting._colors import DIM, MAIN
from sklearn_scan.plotting._docs import plot_docs

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@plot_docs
def plot_n_clusters(curve: ClusterNumberCurve, *, ax: Axes | None = None) -> Axes:
    """Show how well each number of clusters fits the graph of neighbours.

    Parameters
    ----------
    curve : ClusterNumberCurve
        As `estimate_n_clusters` returns it, or a clusterer's `n_clusters_curve_`.
    {ax}

    Returns
    -------
    matplotlib Axes
        The modularity of each number of clusters; a line marks the number chosen.

    Raises
    ------
    TypeError
        If `curve` is something else, such as the clusterer itself.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_scan.model_selection import estimate_n_clusters
    >>> from sklearn_scan.plotting import plot_n_clusters
    >>> curve = estimate_n_clusters(load_digits().data[:500], random_state=0)
    >>> plot_n_clusters(curve).get_xlabel()
    'number of clusters'
    """
    if not isinstance(curve, ClusterNumberCurve):
        raise TypeError(
            "curve must be a ClusterNumberCurve, such as a clusterer's "
            f"n_clusters_curve_; got {type(curve).__name__}."
        )
    ax = axes_or_new(ax, 6, 4)
    ax.plot(curve.candidates, curve.scores, marker=".", color=MAIN)
    ax.axvline(curve.n_clusters, color=DIM, linestyle="--")
    ax.set_title(f"{curve.n_clusters} clusters")
    ax.set_xlabel("number of clusters")
    ax.set_ylabel("modularity")
    return ax
