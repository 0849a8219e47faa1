"""Metrics that compare clusters with known classes.

Clusters have no names, so each metric here first says which cluster stands for
which class: one to one (the Hungarian method) or by majority. Everything is read
from one contingency table. For metrics that need no such mapping use scikit-learn's,
e.g. :func:`sklearn.metrics.normalized_mutual_info_score` and
:func:`sklearn.metrics.adjusted_rand_score`.

The predicted label -1 marks an image that could not be read. It is no cluster: it
is matched to no class and counts as a wrong answer.
"""

from sklearn_scan.metrics._accuracy import (
    clustering_accuracy,
    clustering_accuracy_scorer,
    majority_accuracy,
    majority_mapping,
    match_clusters,
    top_k_accuracy,
)
from sklearn_scan.metrics._neighbors import neighbor_purity
from sklearn_scan.metrics._report import ClusteringReport, clustering_report

__all__ = [
    "ClusteringReport",
    "clustering_accuracy",
    "clustering_accuracy_scorer",
    "clustering_report",
    "majority_accuracy",
    "majority_mapping",
    "match_clusters",
    "neighbor_purity",
    "top_k_accuracy",
]
