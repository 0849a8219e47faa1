"""Methods that partition samples into clusters without training, one a file.

Heads start from such partitions. `joint_distribution` is of the clusters of neighbours.
"""

from sklearn_scan.neighbors.partitions._joint import joint_distribution
from sklearn_scan.neighbors.partitions._k_means import k_means_partition
from sklearn_scan.neighbors.partitions._merging import merge_clusters
from sklearn_scan.neighbors.partitions._several import several_partitions
from sklearn_scan.neighbors.partitions._spectral import (
    spectral_partition,
    spectral_vectors,
    unit_rows,
)

__all__ = [
    "joint_distribution",
    "k_means_partition",
    "merge_clusters",
    "several_partitions",
    "spectral_partition",
    "spectral_vectors",
    "unit_rows",
]
