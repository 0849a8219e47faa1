"""Pictures of clusters, with matplotlib.

Each function draws one picture on the Axes it is given, or on those of a new figure,
and returns them. Names of clusters are those of `cluster_names_`, and members are those
of `labels_`.
"""

from sklearn_scan.plotting._clusters import plot_clusters
from sklearn_scan.plotting._confusion import plot_confusion
from sklearn_scan.plotting._embedding import plot_embedding
from sklearn_scan.plotting._images import (
    plot_cluster,
    plot_neighbors,
    plot_prototypes,
    plot_uncertain,
)
from sklearn_scan.plotting._numbers import plot_confidence, plot_n_clusters, plot_sizes
from sklearn_scan.plotting._training import plot_training
from sklearn_scan.plotting._tree import plot_tree

__all__ = [
    "plot_cluster",
    "plot_clusters",
    "plot_confidence",
    "plot_confusion",
    "plot_embedding",
    "plot_n_clusters",
    "plot_neighbors",
    "plot_prototypes",
    "plot_sizes",
    "plot_training",
    "plot_tree",
    "plot_uncertain",
]
