"""Model selection without labels: scores of clusters, their number, and splitters.

For one number of clusters, `label_free_score` ranks settings; a clusterer's `score(X)`
returns it. `estimate_n_clusters` chooses the number. `ShuffledKFold` and
`TransductiveSplit` split samples in grid searches.
"""

from sklearn_scan.model_selection._head_scores import (
    mean_agreement,
    score_heads,
    score_partitions,
)
from sklearn_scan.model_selection._information import (
    information_lost,
    neighbor_information,
)
from sklearn_scan.model_selection._label_free_score import label_free_score
from sklearn_scan.model_selection._modularity import neighbor_modularity
from sklearn_scan.model_selection._n_clusters import (
    ClusterNumberCurve,
    estimate_n_clusters,
)
from sklearn_scan.model_selection._quality import Quality
from sklearn_scan.model_selection._splitters import ShuffledKFold, TransductiveSplit
from sklearn_scan.model_selection._tree_cut import choose_cut

__all__ = [
    "ClusterNumberCurve",
    "Quality",
    "ShuffledKFold",
    "TransductiveSplit",
    "choose_cut",
    "estimate_n_clusters",
    "information_lost",
    "label_free_score",
    "mean_agreement",
    "neighbor_information",
    "neighbor_modularity",
    "score_heads",
    "score_partitions",
]
