"""Methods that partition samples into clusters without training, one a file.

Heads start from such partitions. `joint_distribution` is of the clusters of neighbours.
"""

from sklearn_scan.neighbors.partitions._agreement import agreeing_features
from sklearn_scan.neighbors.partitions._consensus import consensus_partition
from sklearn_scan.neighbors.partitions._degree_merging import Merge, merge_by_degree
from sklearn_scan.neighbors.partitions._degree_weights import degree_weights
from sklearn_scan.neighbors.partitions._discriminant import refine_partition, whiten
from sklearn_scan.neighbors.partitions._joint import joint_distribution
from sklearn_scan.neighbors.partitions._k_means import k_means_partition
from sklearn_scan.neighbors.partitions._linkage import (
    UNLINKED_HEIGHT,
    first_clusters,
    linkage_tree,
    tree_of_merges,
)
from sklearn_scan.neighbors.partitions._merging import merge_clusters
from sklearn_scan.neighbors.partitions._parts import Pairs, find_parts, joining_pairs
from sklearn_scan.neighbors.partitions._several import (
    better_partitions,
    join_partitions,
    plain_partitions,
)
from sklearn_scan.neighbors.partitions._spectral import (
    spectral_partition,
    spectral_vectors,
    unit_rows,
)
from sklearn_scan.neighbors.partitions._tree import ClusterTree, number_by_size
from sklearn_scan.neighbors.partitions._ward import ward_partition

__all__ = [
    "UNLINKED_HEIGHT",
    "ClusterTree",
    "Merge",
    "Pairs",
    "agreeing_features",
    "better_partitions",
    "consensus_partition",
    "degree_weights",
    "find_parts",
    "first_clusters",
    "join_partitions",
    "joining_pairs",
    "joint_distribution",
    "k_means_partition",
    "linkage_tree",
    "merge_by_degree",
    "merge_clusters",
    "number_by_size",
    "plain_partitions",
    "refine_partition",
    "spectral_partition",
    "spectral_vectors",
    "tree_of_merges",
    "unit_rows",
    "ward_partition",
    "whiten",
]
